//! Pictures of terminals in the documents: what a test ran, and what that printed.

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

/// The widest line that is drawn, in characters.
const WIDTH: usize = 118;
const LINE: usize = 18;
const CHARACTER: f64 = 7.8;

/// One command and what it printed, as the reader shall see them.
pub(crate) struct Step {
    pub(crate) command: String,
    pub(crate) printed: String,
}

/// With TROUSSEAU_REGENERATE, draws the steps to docs/pictures/`name`.svg; else the kept picture must show these commands.
pub(crate) fn picture(name: &str, steps: &[Step]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/pictures").join(format!("{name}.svg"));
    if env::var_os("TROUSSEAU_REGENERATE").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, draw(steps)).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    for Step { command, .. } in steps {
        for line in command.lines() {
            assert!(kept.contains(&escape(line)), "{} does not show `{line}`; draw it again", path.display());
        }
    }
}

fn draw(steps: &[Step]) -> String {
    let mut lines = Vec::new();
    for Step { command, printed } in steps {
        let mut prompt = "$ ";
        for line in command.lines() {
            lines.push(("c", format!("{prompt}{line}")));
            prompt = "  ";
        }
        lines.extend(printed.trim_end().lines().flat_map(broken).map(|line| ("p", line)));
    }
    let columns = lines.iter().map(|(_, line)| line.chars().count()).max().unwrap_or_default().max(60);
    let (width, height) = ((columns as f64 * CHARACTER) as usize + 40, lines.len() * LINE + 36);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" role=\"img\">\n\
         <style>text{{font:13px ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace;white-space:pre}}\
         .c{{fill:#7ee787;font-weight:600}}.p{{fill:#d6deeb}}</style>\n\
         <rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"#10151d\"/>\n"
    );
    for (number, (class, line)) in lines.iter().enumerate() {
        let y = 28 + number * LINE;
        writeln!(svg, "<text class=\"{class}\" x=\"20\" y=\"{y}\" xml:space=\"preserve\">{}</text>", escape(line))
            .unwrap();
    }
    svg + "</svg>\n"
}

/// A line in pieces of at most [`WIDTH`], without what no picture can show.
fn broken(line: &str) -> Vec<String> {
    let shown = |letter: char| match letter {
        '\t' => ' ',
        letter if letter.is_control() => '\u{b7}',
        letter => letter,
    };
    let shown: Vec<char> = line.chars().map(shown).collect();
    if shown.is_empty() {
        return vec![String::new()];
    }
    shown.chunks(WIDTH).map(|piece| piece.iter().collect()).collect()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
