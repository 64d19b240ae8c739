"""The script behind every page: frame, language, navigation; then the page itself."""

from __future__ import annotations

import streamlit as st

from multi_llm_comparator.ui.history.bundles import draw_opened_bundle
from multi_llm_comparator.ui.kit.actions import show_notices
from multi_llm_comparator.ui.kit.explanations import offer_explanations
from multi_llm_comparator.ui.kit.frame import tend_frame
from multi_llm_comparator.ui.kit.i18n import LANGUAGES, choose_language, current_language, settle_language, t
from multi_llm_comparator.ui.kit.monitor import draw_monitor
from multi_llm_comparator.ui.kit.navigation import go_to, pages
from multi_llm_comparator.ui.kit.theme import ICON, apply_styles
from multi_llm_comparator.workbench import PATIENCE_S, get_workbench

SCAN_POLL_S = 1.0


def draw_language_switch() -> None:
    """One button that names the other language in that language."""
    other = next(code for code in LANGUAGES if code != current_language())
    with st.container(key="app_language_box"):
        st.button(
            LANGUAGES[other],
            key="app_language_switch",
            icon=":material/translate:",
            type="tertiary",
            on_click=choose_language,
            args=(other,),
            help=t("app.language_why", language=LANGUAGES[other]),
        )


def draw_scan_note() -> None:
    """While models are being looked for, say so, and draw the page anew when they are there."""
    models = get_workbench().models
    if models.wait_for_scan(PATIENCE_S):
        return

    @st.fragment(run_every=SCAN_POLL_S)
    def note() -> None:
        if models.is_scanning:
            st.caption(t("app.scanning"), width="stretch")
        else:
            st.rerun()

    with st.container(key="app_scanning"):
        note()


settle_language()
st.set_page_config(
    page_title=t("app.title"),
    page_icon=str(ICON),
    layout="wide",
    menu_items={"About": t("app.about")},
)
apply_styles()
st.logo(str(ICON), size="medium")
offered = list(pages().values())
page = st.navigation(offered, position="top")
draw_language_switch()
# A page of blind votes tells nobody which models are at work.
if draw_monitor(tells_models=page.url_path != "vote"):
    go_to("models")
draw_scan_note()
page.run()
draw_opened_bundle()
offer_explanations()
tend_frame([one.url_path for one in offered], page.url_path)
show_notices()
