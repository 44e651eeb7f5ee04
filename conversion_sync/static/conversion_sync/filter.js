// The filter by company applies as soon as one is chosen, where it stands alone; and boxes to choose from have
// a name.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
    for (const filter of document.querySelectorAll("[data-filter]")) {
        if (filter.closest("form")?.method === "get") {
            joinForm(filter);
            continue;
        }
        filter.querySelector("button[type=submit]").hidden = true;
        // Select2 tells of a choice by events of jQuery alone.
        django.jQuery(filter).on("change", "select", (event) => event.target.form.requestSubmit());
    }
    // jQuery calls this after Django's own, which makes the boxes.
    django.jQuery(nameBoxes);
});

// Where a theme has all filters in one form, it sends this one with the others.
function joinForm(filter) {
    for (const field of filter.querySelectorAll("[form]")) {
        if (field.type === "hidden") {
            field.remove();
        } else {
            field.removeAttribute("form");
        }
    }
}

// Select2 names its boxes by what is chosen alone, which may be nothing.
function nameBoxes() {
    for (const select of document.querySelectorAll("select.admin-autocomplete")) {
        const label = document.querySelector(`label[for="${select.id}"]`);
        const boxes = select.nextElementSibling?.querySelectorAll("[role=combobox], [role=textbox]");
        if (!label || !boxes) {
            continue;
        }
        label.id ||= `${select.id}_label`;
        for (const box of boxes) {
            box.setAttribute("aria-labelledby", `${label.id} select2-${select.id}-container`);
        }
    }
}
