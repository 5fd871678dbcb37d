//! A run as JSON lines, one record a line, so that a run of any size can be judged again later.

use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::trace::{Commit, Gap, Rights, Run, StreamTrace, Truth, UpstreamRequest};

/// The format of the file; a reader refuses others.
const FORMAT: u32 = 1;

#[derive(Serialize, Deserialize)]
enum Line {
    Head { format: u32, resource: String },
    Commit(Commit),
    Request(UpstreamRequest),
    Stream(StreamTrace),
    Gap(Gap),
    Rewound(Truth),
    Rights(String, Rights),
}

/// Why a file could not be read.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file could not be read.
    #[error("could not read the recorded run: {0}")]
    Io(#[from] io::Error),
    /// A line is not of this format.
    #[error("line {line} of the recorded run is malformed: {source}")]
    Line {
        /// Number of the line, from 1.
        line: usize,
        /// What was wrong.
        source: serde_json::Error,
    },
    /// The file does not begin with a head of this format.
    #[error("the recorded run has another format; record it again")]
    Format,
}

/// Writes a run to a file, replacing it.
///
/// # Errors
/// Those of the file system.
pub fn save(run: &Run, path: &Path) -> io::Result<()> {
    let mut out = BufWriter::new(std::fs::File::create(path)?);
    let mut line = |line: Line| -> io::Result<()> {
        serde_json::to_writer(&mut out, &line)?;
        out.write_all(b"\n")
    };
    line(Line::Head {
        format: FORMAT,
        resource: run.truth.resource.clone(),
    })?;
    run.truth
        .commits
        .iter()
        .try_for_each(|commit| line(Line::Commit(commit.clone())))?;
    run.requests
        .iter()
        .try_for_each(|request| line(Line::Request(request.clone())))?;
    run.streams
        .iter()
        .try_for_each(|stream| line(Line::Stream(stream.clone())))?;
    run.gaps.iter().try_for_each(|gap| line(Line::Gap(*gap)))?;
    run.rewound
        .iter()
        .try_for_each(|truth| line(Line::Rewound(truth.clone())))?;
    for (subscriber, rights) in &run.rights {
        line(Line::Rights(subscriber.clone(), rights.clone()))?;
    }
    out.flush()
}

/// Reads a run from a file that [`save`] wrote.
///
/// # Errors
/// If the file can't be read, has another format, or a malformed line.
pub fn load(path: &Path) -> Result<Run, LoadError> {
    let mut run = Run::default();
    let mut headed = false;
    for (number, text) in BufReader::new(std::fs::File::open(path)?)
        .lines()
        .enumerate()
    {
        let line = serde_json::from_str(&text?).map_err(|source| LoadError::Line {
            line: number + 1,
            source,
        })?;
        match line {
            Line::Head {
                format: FORMAT,
                resource,
            } => {
                headed = true;
                run.truth.resource = resource;
            }
            Line::Head { .. } => return Err(LoadError::Format),
            Line::Commit(commit) => run.truth.commits.push(commit),
            Line::Request(request) => run.requests.push(request),
            Line::Stream(stream) => run.streams.push(stream),
            Line::Gap(gap) => run.gaps.push(gap),
            Line::Rewound(truth) => run.rewound.push(truth),
            Line::Rights(subscriber, rights) => drop(run.rights.insert(subscriber, rights)),
        }
    }
    if headed {
        Ok(run)
    } else {
        Err(LoadError::Format)
    }
}
