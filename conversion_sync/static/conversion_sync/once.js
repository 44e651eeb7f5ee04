// A form that is on its way is not sent again by a second press of its button: an engagement would be there twice.
"use strict";

(() => {
    // From then on it may be sent again: somebody may have stopped it.
    const HELD = 30000;
    const sent = new Map();

    // After all others have heard of it, who may keep it from being sent.
    window.addEventListener("submit", (event) => {
        const form = event.target;
        if (event.defaultPrevented || !form.matches("form[id$=_form]")) {
            return;
        }
        if (Date.now() - (sent.get(form) ?? -Infinity) < HELD) {
            event.preventDefault();
        } else {
            sent.set(form, Date.now());
        }
    });
    // Where the browser goes back to the page as it was left.
    window.addEventListener("pageshow", () => sent.clear());
})();
