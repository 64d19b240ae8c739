"""Every place where Streamlit reads Markdown is given words of the pages' own, or what went through the escape."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.support.sources import ROOT, page_sources, tree_of

# What Streamlit draws as Markdown: the first argument of these, and some arguments by name.
DRAWS = frozenset(
    {
        *(
            "markdown",
            "caption",
            "write",
            "title",
            "header",
            "subheader",
            "toast",
            "error",
            "warning",
            "info",
            "success",
        ),
        *("button", "popover", "expander", "dialog", "download_button", "form_submit_button", "toggle"),
        *("checkbox", "selectbox", "multiselect", "text_input", "text_area", "number_input", "slider", "radio"),
        *(
            "file_uploader",
            "segmented_control",
            "pills",
            "metric",
            "tabs",
            "spinner",
            "progress",
            "status",
            "link_button",
            "badge",
        ),
    }
)
ARGUMENTS = frozenset({"help", "text", "captions", "label", "body"})
# These take keys of the locales, and draw nothing else but their tooltips.
BUTTONS = frozenset({"button", "main_button", "quiet_button", "draw_stop", "draw_resume", "draw_again"})
# Of these also the options.
DRAWS_OPTIONS = frozenset({"segmented_control", "pills", "radio"})
OWN = frozenset({"t", "tn", "tm", "plain", "to_markdown", "letter", "translate"})
# Figures are digits and units.
OWN_MODULES = frozenset({"say", "figures"})


class Module:
    """What a source file draws, and where it comes from."""

    def __init__(self, path: Path) -> None:
        self.tree = tree_of(path)
        self.functions = {n.name: n for n in ast.walk(self.tree) if isinstance(n, ast.FunctionDef)}
        self.parents = {child: node for node in ast.walk(self.tree) for child in ast.iter_child_nodes(node)}

    def drawn(self) -> list[tuple[int, ast.expr]]:
        found = []
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in DRAWS:
                if isinstance(node.func.value, ast.Name) and node.func.value.id in ("logger", "self", "_RUN", "_WITH"):
                    continue
                found += [(node.lineno, argument) for argument in node.args[: node.func.attr != "progress"]]
                found += [(node.lineno, k.value) for k in node.keywords if k.arg in ARGUMENTS]
                if node.func.attr in DRAWS_OPTIONS:
                    found += [(node.lineno, k.value) for k in node.keywords if k.arg == "format_func"]
            elif isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) in BUTTONS:
                found += [(node.lineno, k.value) for k in node.keywords if k.arg == "help"]
        return found

    def is_own(self, node: ast.expr, depth: int = 0) -> bool:
        """Whether nothing that others wrote can be in it."""
        if depth > 6:
            return False
        match node:
            case ast.Constant():
                return True
            case ast.Call(func=ast.Name(id="t" | "tn" | "translate"), keywords=keywords):
                return all(self.is_number(k.value, depth) for k in keywords)
            case ast.Call(func=ast.Name(id=name)) if name in OWN:
                return True
            case ast.Call(func=ast.Name(id=name)) if name in self.functions:
                returns = [n for n in ast.walk(self.functions[name]) if isinstance(n, ast.Return) and n.value]
                return all(self.is_own(n.value, depth + 1) for n in returns if n.value)
            case ast.Call(func=ast.Attribute(value=ast.Name(id=name))) if name in OWN_MODULES:
                return True
            case ast.Attribute(value=ast.Name(id="say"), attr="NOTHING"):
                return True
            case ast.Subscript(value=ast.Call() as value):
                return self.is_own(value, depth)
            case ast.Attribute(value=ast.Name(id="LANGUAGES")) | ast.Subscript(value=ast.Name(id="LANGUAGES")):
                return True
            case ast.IfExp(body=body, orelse=orelse):
                return self.is_own(body, depth) and self.is_own(orelse, depth)
            case (
                ast.BoolOp(values=values)
                | ast.JoinedStr(values=values)
                | ast.List(elts=values)
                | ast.Tuple(elts=values)
            ):
                return all(self.is_own(value, depth) for value in values)
            case ast.BinOp(left=left, right=right):
                return self.is_own(left, depth) and self.is_own(right, depth)
            case ast.FormattedValue(value=value) | ast.Lambda(body=value) | ast.ListComp(elt=value):
                return self.is_own(value, depth)
            case ast.Name(id=name):
                return self.is_own_name(node, name, depth)
        return False

    def is_number(self, node: ast.expr, depth: int) -> bool:
        """Values of a text: figures, or words of the pages' own."""
        if isinstance(node, ast.JoinedStr):
            return all(isinstance(v, ast.Constant) or v.format_spec is not None for v in node.values)  # type: ignore[attr-defined]
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("len", "int", "min"):
            return True
        return self.is_own(node, depth)

    def is_own_name(self, node: ast.AST, name: str, depth: int) -> bool:
        """Whether all that the name stands for, in the function around it, is."""
        scope = node
        while scope in self.parents and not isinstance(scope, ast.FunctionDef):
            scope = self.parents[scope]
        if isinstance(scope, ast.FunctionDef) and name in {a.arg for a in scope.args.args}:
            return self.is_own_argument(scope, name, depth)
        given: list[ast.expr] = []
        for one in ast.walk(scope):
            targets = (
                one.targets if isinstance(one, ast.Assign) else [one.target] if isinstance(one, ast.AugAssign) else []
            )
            if any(isinstance(target, ast.Name) and target.id == name for target in targets):
                assert isinstance(one, ast.Assign | ast.AugAssign)
                given.append(one.value)
            elif isinstance(one, ast.For) and isinstance(one.target, ast.Name) and one.target.id == name:
                given.append(one.iter)
            elif isinstance(one, ast.Assign) and isinstance(one.targets[0], ast.Tuple):
                names = [x.id for x in one.targets[0].elts if isinstance(x, ast.Name)]
                if name in names:
                    values = one.value.elts if isinstance(one.value, ast.Tuple) else [one.value] * len(names)
                    given.append(values[names.index(name)])
        return bool(given) and all(self.is_own(value, depth + 1) for value in given)

    def is_own_argument(self, function: ast.FunctionDef, name: str, depth: int) -> bool:
        """Whether all callers in this file give what is."""
        position = [a.arg for a in function.args.args].index(name)
        given: list[ast.expr] = []
        for call in ast.walk(self.tree):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == function.name:
                given += call.args[position : position + 1] + [k.value for k in call.keywords if k.arg == name]
        return bool(given) and all(self.is_number(value, depth + 1) for value in given)


def test_what_is_drawn_as_markdown_is_the_pages_own_or_escaped() -> None:
    modules = {path.relative_to(ROOT): Module(path) for path in page_sources()}
    strange = {
        f"{name}:{line}: {ast.unparse(node)}"
        for name, module in modules.items()
        for line, node in module.drawn()
        if not module.is_own(node)
    }
    assert strange == set(), "draw it through tm() or plain(), see ui/kit/escaping.py"
