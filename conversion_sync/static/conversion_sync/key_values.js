// Names and values: one spare row instead of several, and more of them at a click.
"use strict";

function setUpKeyValues(keyValues) {
    const template = keyValues.querySelector("template");
    const button = keyValues.querySelector(".cs-key-values-add");
    let next = keyValues.querySelectorAll(".cs-key-value").length;

    for (const spare of [...keyValues.querySelectorAll(".cs-spare")].slice(1)) {
        spare.remove();
    }
    button.hidden = false;
    button.addEventListener("click", () => {
        const row = template.content.firstElementChild.cloneNode(true);
        const shown = keyValues.querySelectorAll(".cs-key-value").length + 1;
        for (const field of row.querySelectorAll("input, textarea")) {
            field.name = field.name.replace("NUMBER", next);
            field.removeAttribute("id");
            field.setAttribute("aria-label", field.getAttribute("aria-label").replace("NUMBER", shown));
        }
        next += 1;
        button.before(row);
        row.querySelector("input").focus();
    });
}

document.addEventListener("DOMContentLoaded", () => {
    document.querySelectorAll("[data-key-values]").forEach(setUpKeyValues);
});
