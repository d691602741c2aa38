//! The terminal: draws a board, scrolls it, ends at `q`. It leaves the terminal as it was, after a panic as well.

use super::board::{Board, Look};
use ratatui::{
    DefaultTerminal, Frame,
    crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers},
    layout::{Constraint, Layout},
    style::{Color, Modifier, Style},
    text::{Line, Span},
    widgets::{Paragraph, Sparkline},
};
use std::{
    collections::VecDeque,
    io,
    sync::mpsc::{Receiver, TryRecvError},
    time::Duration,
};

/// A new board, or why there is none.
pub(super) type Told = Result<Board, String>;

const KEYS_INTERVAL: Duration = Duration::from_millis(100);
/// Points of the graph of commands.
const POINTS_MAX: usize = 600;
const PAGE: u16 = 20;

/// What is on the screen.
struct View {
    place: String,
    board: Option<Board>,
    /// Why the board is not the present one.
    error: Option<String>,
    is_paused: bool,
    scroll: u16,
    points: VecDeque<u64>,
}

/// Shows what comes until somebody ends it.
pub(super) fn show(place: &str, told: &Receiver<Told>) -> io::Result<()> {
    let mut terminal = ratatui::try_init()?;
    let ended = follow(&mut terminal, place, told);
    ratatui::restore();
    ended
}

fn follow(terminal: &mut DefaultTerminal, place: &str, told: &Receiver<Told>) -> io::Result<()> {
    let mut view = View::new(place);
    loop {
        let mut is_new = view.board.is_none();
        match told.try_recv() {
            Ok(told) => {
                view.take(told);
                is_new = true;
            }
            Err(TryRecvError::Empty) => {}
            Err(TryRecvError::Disconnected) => return Ok(()),
        }
        if is_new {
            terminal.draw(|frame| view.draw(frame))?;
        }
        if event::poll(KEYS_INTERVAL)? {
            match event::read()? {
                Event::Key(key) if key.kind == KeyEventKind::Press && view.press(key) => return Ok(()),
                _ => {}
            }
            terminal.draw(|frame| view.draw(frame))?;
        }
    }
}

impl View {
    fn new(place: &str) -> Self {
        let place = place.to_owned();
        View { place, board: None, error: None, is_paused: false, scroll: 0, points: VecDeque::new() }
    }

    fn take(&mut self, told: Told) {
        match told {
            Ok(_) if self.is_paused => {}
            Ok(board) => {
                if self.points.len() >= POINTS_MAX {
                    self.points.pop_back();
                }
                self.points.push_front(board.commands_per_second);
                self.board = Some(board);
                self.error = None;
            }
            Err(error) => self.error = Some(error),
        }
    }

    /// Whether this key ends it.
    fn press(&mut self, key: KeyEvent) -> bool {
        match key.code {
            KeyCode::Char('q') | KeyCode::Esc => return true,
            KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => return true,
            KeyCode::Char('p') | KeyCode::Char(' ') => self.is_paused = !self.is_paused,
            KeyCode::Down | KeyCode::Char('j') => self.scroll = self.scroll.saturating_add(1),
            KeyCode::Up | KeyCode::Char('k') => self.scroll = self.scroll.saturating_sub(1),
            KeyCode::PageDown => self.scroll = self.scroll.saturating_add(PAGE),
            KeyCode::PageUp => self.scroll = self.scroll.saturating_sub(PAGE),
            KeyCode::Home => self.scroll = 0,
            _ => {}
        }
        false
    }

    fn draw(&mut self, frame: &mut Frame<'_>) {
        let [head, graph, body, foot] = Layout::vertical([
            Constraint::Length(1),
            Constraint::Length(3),
            Constraint::Min(1),
            Constraint::Length(1),
        ])
        .areas(frame.area());
        let (verdict, lines) = match &self.board {
            Some(board) => (board.verdict.clone(), board.lines.as_slice()),
            None => (super::board::Line { text: "asking".into(), look: Look::Quiet }, &[][..]),
        };
        let state = match (&self.error, self.is_paused) {
            (Some(error), _) => Span::styled(format!("  no answer: {error}"), style(Look::Critical)),
            (None, true) => Span::styled("  paused", style(Look::Warning)),
            (None, false) => Span::raw(""),
        };
        let title = Line::from(vec![
            Span::styled("Flotilla", style(Look::Title)),
            Span::raw(format!("  at {}  ", self.place)),
            Span::styled(verdict.text, style(verdict.look)),
            state,
        ]);
        frame.render_widget(Paragraph::new(title), head);
        let points: Vec<u64> = self.points.iter().take(graph.width.into()).rev().copied().collect();
        frame.render_widget(Sparkline::default().data(&points).style(Style::new().fg(Color::Cyan)), graph);
        let last = u16::try_from(lines.len()).unwrap_or(u16::MAX).saturating_sub(body.height);
        self.scroll = self.scroll.min(last);
        let lines: Vec<Line<'_>> =
            lines.iter().map(|line| Line::styled(line.text.as_str(), style(line.look))).collect();
        frame.render_widget(Paragraph::new(lines).scroll((self.scroll, 0)), body);
        let keys = "q ends   p pauses   arrows, page keys scroll   the graph: commands a second";
        frame.render_widget(Paragraph::new(Line::styled(keys, style(Look::Quiet))), foot);
    }
}

/// The terminal's own colours, so that it fits to light and dark ones.
fn style(look: Look) -> Style {
    match look {
        Look::Plain => Style::new(),
        Look::Title => Style::new().add_modifier(Modifier::BOLD),
        Look::Head => Style::new().add_modifier(Modifier::DIM | Modifier::UNDERLINED),
        Look::Quiet => Style::new().add_modifier(Modifier::DIM),
        Look::Good => Style::new().fg(Color::Green),
        Look::Warning => Style::new().fg(Color::Yellow),
        Look::Critical => Style::new().fg(Color::Red).add_modifier(Modifier::BOLD),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::top::board::Line as BoardLine;
    use ratatui::{Terminal, backend::TestBackend};

    fn board(lines: usize) -> Board {
        let lines = (0..lines).map(|number| BoardLine { text: format!("line {number}"), look: Look::Plain });
        let verdict = BoardLine { text: "all is well".into(), look: Look::Good };
        Board { verdict, lines: lines.collect(), commands_per_second: 5 }
    }

    fn drawn(view: &mut View) -> Vec<String> {
        let mut terminal = Terminal::new(TestBackend::new(80, 10)).unwrap();
        terminal.draw(|frame| view.draw(frame)).unwrap();
        let buffer = terminal.backend().buffer().clone();
        let row = |y: u16| (0..80).map(|x| buffer[(x, y)].symbol().to_owned()).collect::<String>();
        (0..10).map(|y| row(y).trim_end().to_owned()).collect()
    }

    #[test]
    fn a_board_is_drawn_and_scrolled_to_its_end_and_no_further() {
        let mut view = View::new("h:1");
        assert!(drawn(&mut view)[0].starts_with("Flotilla  at h:1  asking"));
        view.take(Ok(board(20)));
        let rows = drawn(&mut view);
        assert_eq!((rows[0].as_str(), rows[4].as_str()), ("Flotilla  at h:1  all is well", "line 0"));
        assert!(rows[3].contains('█'), "{rows:?}");
        let key = |code| KeyEvent::new(code, KeyModifiers::NONE);
        assert!(!view.press(key(KeyCode::Down)));
        assert_eq!(drawn(&mut view)[4], "line 1");
        view.press(key(KeyCode::PageDown));
        assert_eq!((drawn(&mut view)[8].as_str(), view.scroll), ("line 19", 15));
        view.press(key(KeyCode::Home));
        assert_eq!(drawn(&mut view)[4], "line 0");
        assert!(view.press(key(KeyCode::Char('q'))));
        assert!(view.press(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL)));
    }

    #[test]
    fn a_node_that_is_gone_is_told_of_and_the_last_board_stays() {
        let mut view = View::new("h:1");
        view.take(Ok(board(3)));
        view.take(Err("refused".into()));
        let rows = drawn(&mut view);
        assert!(rows[0].contains("no answer: refused") && rows[4] == "line 0", "{rows:?}");
        view.is_paused = true;
        view.take(Ok(board(1)));
        assert_eq!(drawn(&mut view)[6], "line 2", "paused");
        for _ in 0..2 * POINTS_MAX {
            view.is_paused = false;
            view.take(Ok(board(1)));
        }
        assert_eq!(view.points.len(), POINTS_MAX);
    }
}
