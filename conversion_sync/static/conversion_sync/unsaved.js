// What was changed in the form of a row, and not saved, is not lost by a button beside it without a word.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
    const beside = "#cs-panel form, #log_form";
    const form = document.querySelector("#content-main form[id$=_form]:not(#log_form)");
    const words = document.querySelector("[data-unsaved-words]")?.dataset.unsavedWords;
    if (!form || !words) {
        return;
    }
    const content = () => JSON.stringify([...new FormData(form)].filter(([, value]) => typeof value === "string"));
    let known;
    // After what other scripts make of the form.
    setTimeout(() => {
        known = content();
    });
    // The panel shows itself anew: its forms come and go.
    document.addEventListener("submit", (event) => {
        const other = event.target;
        if (!other.matches(beside) || known === undefined || content() === known || other.dataset.asked) {
            return;
        }
        event.preventDefault();
        other.dataset.asked = "yes";
        const notice = document.createElement("p");
        notice.className = "cs-notice";
        notice.setAttribute("role", "alert");
        notice.textContent = words;
        (event.submitter ?? other).before(notice);
    });
});
