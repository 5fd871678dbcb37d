//! What the demo writes, for terminals and for pipes.

use std::{
    collections::VecDeque,
    io::{BufWriter, Write},
    path::PathBuf,
    time::Duration,
};

use jiff::Timestamp;
use owo_colors::{OwoColorize as _, Style};

use super::{
    NAMED,
    judge::{self, Verdict},
    subscriber::{Subscriber, seen},
    world::{USUAL, World},
};
use crate::{
    cli::{EventPrinter, Format, Table, printable},
    proto::v1::{self, GroupVersionResource, Resource},
    runtime::args::DemoArgs,
};

/// Writes to stdout; colours only where they are seen.
pub(super) struct Screen {
    out: Box<dyn Write + Send>,
    table: EventPrinter,
    /// Lines of other subscribers that are ahead of the table, with their versions.
    ahead: VecDeque<(u64, String)>,
}

impl Screen {
    pub(super) fn new() -> Self {
        Self::on(Box::new(BufWriter::new(anstream::stdout())))
    }

    fn on(out: Box<dyn Write + Send>) -> Self {
        let pods = Resource {
            resource: Some(GroupVersionResource {
                group: String::new(),
                version: "v1".to_owned(),
                resource: "pods".to_owned(),
            }),
            namespaced: true,
            kind: "Pod".to_owned(),
            ..Default::default()
        };
        Self {
            out,
            table: EventPrinter::new(Some(Format::Wide), &pods, true),
            ahead: VecDeque::new(),
        }
    }

    /// What runs, and how to join.
    pub(super) fn header(&mut self, world: &World, args: &DemoArgs) -> anyhow::Result<()> {
        let program = program();
        let (daemon, apiserver) = (world.daemon, world.apiserver());
        let kubeconfig = world.kubeconfig().display();
        let pace = args.pace;
        // Clients look for the daemon at its usual port unless they are told of another.
        let export = match daemon {
            USUAL => String::new(),
            other => format!("  export INFORMERD_SERVER=http://{other}\n"),
        };
        let end = match args.length {
            Some(length) => format!("for {length:?}"),
            None => "until Ctrl-C".to_owned(),
        };
        writeln!(
            self.out,
            "{}

  apiserver   http://{apiserver}   simulated; something changes every {pace:?}, {end}
  informerd   http://{daemon}   one watch of pods there, a stream for everybody here

Join from another shell:
{export}  {program} watch pods -A -l app=web --server http://{daemon}
  kubectl --kubeconfig {kubeconfig} scale deployment web -n shop --replicas 5

$ informerd watch pods -A -o wide",
            "A cluster, informerd and its subscribers, all in this process".bold(),
        )?;
        Ok(self.out.flush()?)
    }

    /// A change in the table. `position` is the table's.
    pub(super) fn row(&mut self, event: &v1::Event, position: u64) -> anyhow::Result<()> {
        self.table.event(&mut self.out, event, Timestamp::now())?;
        while let Some((version, line)) = self.ahead.pop_front() {
            if version > position {
                self.ahead.push_front((version, line));
                break;
            }
            writeln!(self.out, "{line}")?;
        }
        Ok(self.out.flush()?)
    }

    /// The same change at another subscriber; written once the table has it.
    pub(super) fn also(
        &mut self,
        name: &str,
        event: &v1::Event,
        position: u64,
    ) -> anyhow::Result<()> {
        let seen = seen(event);
        let cause = match event.cause() {
            v1::EventCause::Entered => "/entered",
            v1::EventCause::Left => "/left",
            _ => "",
        };
        let kind = format!("{}{cause}", seen.kind);
        let key = printable(&seen.key);
        let line = format!("  └ {:<8} {kind:<15} {key}", name.cyan());
        if seen.version > position {
            self.ahead.push_back((seen.version, line));
            return Ok(());
        }
        writeln!(self.out, "{line}")?;
        Ok(self.out.flush()?)
    }

    /// What the subscribers begin with.
    pub(super) fn began(&mut self, subscribers: &[Subscriber]) -> anyhow::Result<()> {
        for each in &subscribers[1..NAMED] {
            let (name, words, count) = (each.name, each.words(), each.snapshot);
            let text = format!("{name} watches {words} and begins with {count} objects");
            self.remark(&text)?;
        }
        let crowd = subscribers.len() - NAMED;
        self.remark(&format!(
            "{crowd} more watch the same as this table; changes from here on"
        ))
    }

    /// A remark between the rows.
    pub(super) fn remark(&mut self, text: &str) -> anyhow::Result<()> {
        let text = format!("# {}", printable(text));
        writeln!(self.out, "{}", text.bold())?;
        Ok(self.out.flush()?)
    }

    /// A token, by itself on a line.
    pub(super) fn token(&mut self, token: &str) -> anyhow::Result<()> {
        writeln!(self.out, "#   {}", printable(token).cyan())?;
        Ok(self.out.flush()?)
    }

    /// Figures and claims.
    pub(super) fn summary(
        &mut self,
        subscribers: &[Subscriber],
        verdict: &Verdict,
        lasted: Duration,
    ) -> anyhow::Result<()> {
        for (_, line) in self.ahead.drain(..) {
            writeln!(self.out, "{line}")?;
        }
        let title = format!("What happened in {:.1} s", lasted.as_secs_f64());
        writeln!(self.out, "\n{}\n", title.bold())?;
        self.figures(subscribers, &verdict.compared)?;
        let (streams, upstream) = (judge::streams(subscribers), verdict.upstream);
        let events: u64 = subscribers.iter().map(|s| s.snapshot + s.changes).sum();
        writeln!(
            self.out,
            "
  apiserver   watches of pods: {} open, at most {} at a time; requests for pods: {}
  informerd   streams: {streams}; events delivered: {events}
",
            upstream.open, upstream.most, upstream.requests
        )?;
        for (holds, words) in &verdict.claims {
            let (word, style) = if *holds {
                ("ok", Style::new().green())
            } else {
                ("FAILED", Style::new().red().bold())
            };
            writeln!(self.out, "  {:<6} {words}", word.style(style))?;
        }
        Ok(self.out.flush()?)
    }

    fn figures(&mut self, subscribers: &[Subscriber], compared: &[usize]) -> anyhow::Result<()> {
        let columns = [
            ("  SUBSCRIBER", 0),
            ("FILTER", 0),
            ("STREAMS", 0),
            ("SNAPSHOT", 0),
            ("CHANGES", 0),
            ("COMPARED WITH THE CLUSTER'S LOG", 0),
        ];
        let mut rows: Vec<Vec<String>> = subscribers[..NAMED]
            .iter()
            .zip(compared)
            .map(|(each, compared)| {
                vec![
                    format!("  {}", each.name),
                    each.words(),
                    each.streams.to_string(),
                    each.snapshot.to_string(),
                    each.changes.to_string(),
                    compared.to_string(),
                ]
            })
            .collect();
        let crowd = &subscribers[NAMED..];
        let sum = |of: fn(&Subscriber) -> u64| crowd.iter().map(of).sum::<u64>().to_string();
        rows.push(vec![
            format!("  {} more", crowd.len()),
            "-A each".to_owned(),
            judge::streams(crowd).to_string(),
            sum(|each| each.snapshot),
            sum(|each| each.changes),
            "with the first row".to_owned(),
        ]);
        let mut table = Table::new(&columns, true);
        Ok(table.rows(&mut self.out, &rows)?)
    }
}

/// How this program was called: by its path where it is not installed.
fn program() -> String {
    let here = std::env::current_dir().unwrap_or_default();
    let program = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("informerd"));
    let shown = program.strip_prefix(&here).unwrap_or(&program);
    printable(&shown.display().to_string())
}
