"""What Evidently's page is given before it is kept: a seal, and what readers of all kinds need.

Evidently's own page has a button without a name, and cuts wide tables off on a phone.
"""

from html import escape

# Evidently's script and styles are in the page; whatever else it might ask for is not loaded.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline';"
    " font-src data:; img-src data: blob:; base-uri 'none'; form-action 'none'"
)
STYLE = "<style>.MuiCard-root { overflow-x: auto !important; }</style>"
# The page is drawn in the browser, and again when its colours change.
SCRIPT = """<script>
function mend() {
  for (const button of document.querySelectorAll("button:not([aria-label])"))
    if (!button.textContent) button.setAttribute("aria-label", "Light or dark");
  for (const card of document.querySelectorAll(".MuiCard-root:not([tabindex]):has(table)")) {
    card.tabIndex = 0;
    card.setAttribute("role", "region");
    card.setAttribute("aria-label", card.querySelector("h1, h2, h3, h4, h5, h6").textContent);
  }
}
new MutationObserver(mend).observe(document, { childList: true, subtree: true });
</script>"""


def sealed(html: str, title: str) -> str:
    """The page with a title, barred from the network, its data unable to end the script it is in.

    Evidently writes texts into a script as JSON, in which `<` may stand for itself: a text with
    `</script>` would break out. A nameless button gets a name, and a wide table can be scrolled, by
    the keyboard too.
    """
    start = html.index("<script>") + len("<script>")
    end = html.index("</script>\n    </head>")  # JSON has no line feed within a text
    data = html[start:end].replace("<", "\\u003c")
    policy = f'<meta http-equiv="Content-Security-Policy" content="{CONTENT_SECURITY_POLICY}">'
    added = f"<head>{policy}<title>{escape(title)}</title>{STYLE}"
    head = html[:start].replace("<head>", added, 1)
    scripts = html[end:].replace("</head>", f"{SCRIPT}</head>", 1)
    return head + data + scripts
