"""Draws what a command shows on a terminal, as an SVG on standard output.

    draw.py COMMAND [ARGUMENT ...] > picture.svg

The command runs in a pseudo-terminal, and pyte, which is a terminal, says what
stands on its screen at the end. The picture has no fonts, scripts or links of
its own, and its own background, so that it can be read on a light page and on a
dark one.
"""

import fcntl
import os
import pty
import struct
import sys
import termios
from html import escape
from itertools import groupby

import pyte

COLUMNS = 92
# More than any command shows: nothing scrolls away.
LINES = 300

# In pixels; a letter of a monospaced font is 0.6 of its size wide.
SIZE, LINE, MARGIN = 13, 17, 16
LETTER = 0.6 * SIZE

PAPER, EDGE, INK = "#fbfcfd", "#d0d7de", "#24292f"
# By the names of pyte; each has a contrast of 4.5 to 1 or more to the paper (WCAG 2, AA).
COLOURS = {
    "red": "#b3201a",
    "green": "#116329",
    "brown": "#7d4e00",
    "blue": "#0550ae",
    "magenta": "#6e40c9",
    "cyan": "#0b6670",
}


def screen_of(command):
    """Runs a command on a terminal of its own, and returns its screen at the end."""
    screen = pyte.Screen(COLUMNS, LINES)
    stream = pyte.ByteStream(screen)
    pid, terminal = pty.fork()
    if pid == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
        os.environ["TERM"] = "xterm-256color"
        os.environ.pop("NO_COLOR", None)
        os.execvp(command[0], command)
    while said := read(terminal):
        stream.feed(said)
    _, status = os.waitpid(pid, 0)
    if code := os.waitstatus_to_exitcode(status):
        sys.exit(f"{' '.join(command)} ended with {code}")
    return screen


def read(terminal):
    try:
        return os.read(terminal, 65536)
    except OSError:
        # So Linux says that no process has the other side open any more.
        return b""


def lines_of(screen):
    """The lines from the first to the last that is not blank, as lists of cells."""
    lines = [[screen.buffer[row][column] for column in range(COLUMNS)] for row in range(LINES)]
    is_blank = [not text.strip() for text in screen.display]
    first, last = is_blank.index(False), LINES - is_blank[::-1].index(False)
    return lines[first:last]


def commands_among(lines):
    """For each line, whether it is a command that is typed, or goes on with one."""
    is_command = False
    for line in lines:
        is_command = line[0].data + line[1].data == "$ " or is_command and goes_on
        goes_on = line[-1].data != " "
        yield is_command


def runs_of(line, is_command):
    """The parts of a line that look alike: column, text, colour, whether it is bold."""
    column = 0
    for (colour, is_bold), cells in groupby(line, lambda cell: (cell.fg, cell.bold or is_command)):
        text = "".join(cell.data for cell in cells)
        if text.strip():
            start = column + len(text) - len(text.lstrip())
            yield start, text.strip(), COLOURS.get(colour), is_bold
        column += len(text)


def svg_of(lines, title):
    width, height = round(2 * MARGIN + COLUMNS * LETTER), 2 * MARGIN + len(lines) * LINE
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" role="img" aria-label="{escape(title)}" font-size="{SIZE}" fill="{INK}" '
        f'font-family="ui-monospace,SFMono-Regular,Menlo,Consolas,DejaVu Sans Mono,monospace">'
    )
    yield f'<rect x=".5" y=".5" width="{width - 1}" height="{height - 1}" rx="8" fill="{PAPER}" stroke="{EDGE}"/>'
    for row, (line, is_command) in enumerate(zip(lines, commands_among(lines))):
        base = MARGIN + row * LINE + SIZE
        for column, text, colour, is_bold in runs_of(line, is_command):
            looks = (f' fill="{colour}"' if colour else "") + (' font-weight="bold"' if is_bold else "")
            # Columns stay columns, however wide the letters of the reader's font are.
            place = f'x="{MARGIN + column * LETTER:.1f}" y="{base}" textLength="{len(text) * LETTER:.1f}"'
            yield f'<text {place}{looks} xml:space="preserve">{escape(text, quote=False)}</text>'
    yield "</svg>"


command = sys.argv[1:]
print("\n".join(svg_of(lines_of(screen_of(command)), f"What {' '.join(command)} shows")))
