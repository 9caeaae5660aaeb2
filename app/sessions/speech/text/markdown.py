"""Makes Markdown fit to be heard: its words without its signs, also while it is being written."""

from collections.abc import AsyncIterator
from typing import Final
from urllib.parse import urlsplit

import pyromark
import regex

MAX_BLOCK: Final = 1000
"""The most characters of one block that are read as Markdown together: each part that arrives has
the parser read its block again.
"""

_MARK: Final = r"(?:#{1,6}|[-*+]|\d{1,9}[.)])[ \t]|>|```|~~~"
_BLOCK: Final = regex.compile(rf"\n(?=[ \t]*(?:\n|{_MARK}))")
"""The end of a line behind which another block begins: a paragraph, an item, code."""

_FENCE: Final = regex.compile(r"\s*(?P<fence>```+|~~~+)[^\n]*\n")
_TABLE: Final = regex.compile(r"\s*\|")
_SIGN: Final = regex.compile(r"[*_~`\[<|&\\!#>]|(?:^|\n)[ \t]*[-+=]")
_UNDECIDED_END: Final = regex.compile(
    r"(?:^|\n)[ \t]*(?:[-+*#>=|~`]*|\d{1,9}[.)]?)[ \t]*$|[*_~`!\\\[\]]+$"
    r"|(?<!\w)h(?:t(?:tp?s?:?/?(?:/[!-~]*)?)?)?$"
)
"""An end of a block that may be text, Markdown or part of an address."""

_UNDECIDED: Final = regex.compile(
    r"\*(?!\s)|(?<!\w)_(?!\s)|~~|`|<(?=[\p{L}/!?]|$)|&\w*$|!?\[(?![^\[\]]*\](?:[^(\[]))|\|"
)
"""The first characters that may still turn out to be Markdown, such as emphasis."""

_ADDRESS: Final = regex.compile(r"(?<!\w)https?://[!-~]*[A-Za-z0-9/]")

_CELL_END: Final = ", "
_OPTIONS: Final = (
    pyromark.Options.ENABLE_TABLES
    | pyromark.Options.ENABLE_STRIKETHROUGH
    | pyromark.Options.ENABLE_TASKLISTS
)


class SpokenMarkdown:
    """Gives the words of a Markdown text that arrives in parts, as soon as they are certain.

    Emphasis, headings, bullets and quotes lose their signs, and links their addresses; of an
    address that stands for itself the host is left. The cells of a table are read row by row. Code
    blocks, HTML and lines between sections are left out.
    """

    def __init__(self) -> None:
        self._block = ""
        self._given = 0
        """How many characters of the block's words have been given out."""

    def feed(self, text: str) -> str:
        """Add a part of the text; return the words that have become certain."""
        self._block += text
        words = []
        while (end := self._end_of_block()) is not None:
            block, self._block = self._block[:end], self._block[end:]
            words.append(self._rest(block))
        words.append(self._certain())
        return "".join(words)

    def end(self) -> str:
        """End the text; return the words that are left."""
        block, self._block = self._block, ""
        return self._rest(block).rstrip("\n")

    def _end_of_block(self) -> int | None:
        fence = _FENCE.match(self._block)
        if fence is not None:
            return self._end_of_code(fence)
        end = _BLOCK.search(self._block, len(self._block) - len(self._block.lstrip()))
        if end is not None and end.end() <= MAX_BLOCK:
            return end.end()
        if len(self._block) <= MAX_BLOCK:
            return None
        return self._block.rfind(" ", MAX_BLOCK // 2, MAX_BLOCK) + 1 or MAX_BLOCK

    def _end_of_code(self, fence: regex.Match[str]) -> int | None:
        """The end of a code block; until it comes, the lines so far are dropped."""
        begin = fence.end() - 1
        closed = regex.search(rf"\n[ \t]*{fence['fence']}[^\n]*\n", self._block, pos=begin)
        if closed is not None:
            return int(closed.end())
        self._block = self._block[:begin] + self._block[self._block.rindex("\n") :]
        return None

    def _certain(self) -> str:
        """The words of the block that no text which follows can change."""
        if _TABLE.match(self._block) or _FENCE.match(self._block):
            return ""
        end = _UNDECIDED_END.search(self._block)
        words = self._words(self._block if end is None else self._block[: end.start()])
        undecided = _UNDECIDED.search(words, self._given)
        return self._give(words if undecided is None else words[: undecided.start()])

    def _rest(self, block: str) -> str:
        words = self._words(block)
        rest = self._give(words)
        self._given = 0
        return rest + "\n" if words else ""

    def _give(self, words: str) -> str:
        given, self._given = self._given, max(self._given, len(words))
        return words[given:]

    def _words(self, block: str) -> str:
        if _SIGN.search(block) is None:
            words = "\n".join(line.strip() for line in block.strip().split("\n"))
        else:
            # Without its indentation, which would make code of an item's second paragraph.
            words = _words_of(block.strip())
        return str(_ADDRESS.sub(lambda found: _host(found.group()), words))


async def without_markdown(texts: AsyncIterator[str]) -> AsyncIterator[str]:
    """The words of a Markdown text that is being written."""
    markdown = SpokenMarkdown()
    async for text in texts:
        yield markdown.feed(text)
    yield markdown.end()


def _words_of(markdown: str) -> str:
    """The words of a whole Markdown text; each block, item and row is a line of its own."""
    lines, line, is_silent = list[str](), list[str](), False
    for event in pyromark.events(markdown, options=_OPTIONS):
        match event:
            case {"Text": str(words)} | {"Code": str(words)}:
                line += [] if is_silent else [words]
            case "SoftBreak" | "HardBreak":
                line.append("\n")
            case {"Start": {"CodeBlock": _} | "HtmlBlock"}:
                is_silent = True
            case {"Start": {"Link": {"link_type": "Autolink", "dest_url": str(address)}}}:
                line.append(_host(address))
                is_silent = True
            case {"Start": {"List": int(number)}}:
                line.append(f"{number}. ")
            case {"End": "CodeBlock" | "HtmlBlock" | "Link"}:
                is_silent = False
            case {"End": "TableCell"}:
                line += [_CELL_END] if line and line[-1] != _CELL_END else []
            case {"End": "Paragraph" | "Item" | "TableHead" | "TableRow" | {"Heading": _}}:
                lines.append("".join(line).removesuffix(_CELL_END))
                line.clear()
    return "\n".join(filter(None, lines))


def _host(address: str) -> str:
    """The host name, which is said in place of a bare URL."""
    try:
        return urlsplit(address).hostname or address
    except ValueError:
        return address
