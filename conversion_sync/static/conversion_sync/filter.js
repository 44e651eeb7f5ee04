// The filter by company applies as soon as one is chosen; and boxes to choose from have a name.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
    for (const form of document.querySelectorAll("[data-filter-form]")) {
        form.querySelector("button[type=submit]").hidden = true;
        // Select2 tells of a choice by events of jQuery alone.
        django.jQuery(form).on("change", "select", () => form.requestSubmit());
    }
    // jQuery calls this after Django's own, which makes the boxes.
    django.jQuery(nameBoxes);
});

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
