// The filter by company applies as soon as one is chosen.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
    for (const form of document.querySelectorAll("[data-filter-form]")) {
        form.querySelector("button[type=submit]").hidden = true;
        // Select2 tells of a choice by events of jQuery alone.
        django.jQuery(form).on("change", "select", () => form.requestSubmit());
    }
});
