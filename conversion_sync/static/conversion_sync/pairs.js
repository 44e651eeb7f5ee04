// Names and values: one spare row instead of several, and more of them at a click.
"use strict";

function setUpPairs(pairs) {
    const template = pairs.querySelector("template");
    const button = pairs.querySelector(".cs-pairs-add");
    let next = pairs.querySelectorAll(".cs-pair").length;

    for (const spare of [...pairs.querySelectorAll(".cs-spare")].slice(1)) {
        spare.remove();
    }
    button.hidden = false;
    button.addEventListener("click", () => {
        const row = template.content.firstElementChild.cloneNode(true);
        const shown = pairs.querySelectorAll(".cs-pair").length + 1;
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
    document.querySelectorAll("[data-pairs]").forEach(setUpPairs);
});
