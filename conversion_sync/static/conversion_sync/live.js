// A part of a page that shows itself anew: <div id="…" data-live="address" data-live-every="seconds">.
// It goes on for as long as what came back asks for it, and never takes the focus away.
"use strict";

(() => {
    const LONGEST = 60;

    const busy = (part) => part.contains(document.activeElement) || document.hidden;

    // The verdict above a part, where its answer brings one, or says by a blank that there is none.
    const showVerdict = (part, page) => {
        const brought = page.querySelector("[data-live-verdict]");
        const now = brought?.querySelector(".cs-verdict");
        const old = document.querySelector(".cs-verdict");
        const same = old?.textContent === now?.textContent;
        if (!brought || same || old?.contains(document.activeElement)) {
            return;
        }
        if (old && now) {
            old.replaceWith(document.importNode(now, true));
        } else if (now) {
            part.before(document.importNode(now, true));
        } else {
            old.remove();
        }
    };

    const fetched = async (part) => {
        const answer = await fetch(part.dataset.live, {credentials: "same-origin"});
        // To the login, or away from what this person may no longer see.
        if (answer.redirected || answer.status === 403) {
            return "ended";
        }
        if (!answer.ok) {
            throw new Error(`HTTP ${answer.status}`);
        }
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        showVerdict(part, page);
        const found = page.getElementById(part.id);
        return found && document.importNode(found, true);
    };

    // A page that stands still says so.
    const warn = (part, words) => {
        let notice = part.previousElementSibling;
        if (!notice?.classList.contains("cs-live-lost")) {
            notice = document.createElement("p");
            notice.className = "cs-notice cs-live-lost";
            notice.setAttribute("role", "status");
            part.before(notice);
        }
        notice.textContent = words;
    };

    const unwarn = (part) => {
        if (part.previousElementSibling?.classList.contains("cs-live-lost")) {
            part.previousElementSibling.remove();
        }
    };

    // For screen readers: what a part says first, where that has changed.
    const say = (before, after) => {
        const words = (part) => part.querySelector("[data-live-words] bdi")?.textContent ?? "";
        if (words(before) === words(after)) {
            return;
        }
        let status = document.getElementById("cs-live-status");
        if (!status) {
            status = document.createElement("p");
            status.id = "cs-live-status";
            status.className = "visually-hidden";
            status.setAttribute("role", "status");
            document.body.append(status);
        }
        setTimeout(() => {
            status.textContent = words(after);
        }, 100);
    };

    const watch = (part, wait) => {
        if (!part.dataset.live) {
            return;
        }
        const every = Number(part.dataset.liveEvery) || 5;
        setTimeout(async () => {
            if (busy(part)) {
                watch(part, every);
                return;
            }
            try {
                const next = await fetched(part);
                if (next === "ended") {
                    warn(part, part.dataset.liveEnded);
                    return;
                }
                unwarn(part);
                if (next && !busy(part)) {
                    say(part, next);
                    part.replaceWith(next);
                    watch(next, Number(next.dataset.liveEvery) || 5);
                } else {
                    watch(part, every);
                }
            } catch {
                warn(part, part.dataset.liveLost);
                watch(part, Math.min(LONGEST, wait * 2));
            }
        }, wait * 1000);
    };

    document.addEventListener("DOMContentLoaded", () => {
        for (const part of document.querySelectorAll("[data-live]")) {
            watch(part, Number(part.dataset.liveEvery) || 5);
        }
    });
})();
