//! Asks the links how they are, about twice a second, each in its own task: one that is slow
//! holds up no other.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Interval, MissedTickBehavior, interval};

use copperlink::shell::status;

use crate::hints;
use crate::report::status::Status;

/// What became of one question.
pub(super) struct Answer {
    pub(super) name: String,
    pub(super) answer: Result<Box<Status>, String>,
}

/// Asks until it is dropped.
pub(super) struct Poll {
    answers: mpsc::Receiver<Answer>,
    sender: mpsc::Sender<Answer>,
    asked: BTreeSet<String>,
    tasks: JoinSet<()>,
    /// Only when no names were given: those that run come as they start.
    find: Option<Interval>,
}

impl Poll {
    /// Asks the links of these names; without any, all that run, also those that start later.
    pub(super) fn start(names: &[String]) -> Self {
        let (sender, answers) = mpsc::channel(ANSWERS);
        let mut poll = Self {
            answers,
            sender,
            asked: BTreeSet::new(),
            tasks: JoinSet::new(),
            find: names.is_empty().then(|| every(FIND_EVERY)),
        };
        for name in names {
            poll.ask(name.clone());
        }
        poll
    }

    /// The next answer.
    pub(super) async fn next(&mut self) -> Option<Answer> {
        loop {
            let Some(find) = &mut self.find else {
                return self.answers.recv().await;
            };
            tokio::select! {
                answer = self.answers.recv() => return answer,
                _ = find.tick() => {
                    for name in status::list() {
                        self.ask(name);
                    }
                }
            }
        }
    }

    /// Why there is no link to show.
    pub(super) fn nothing() -> String {
        hints::no_link_runs(&status::run_dir()) + ". Waiting for one …"
    }

    fn ask(&mut self, name: String) {
        if self.asked.insert(name.clone()) {
            self.tasks.spawn(ask(name, self.sender.clone()));
        }
    }
}

async fn ask(name: String, answers: mpsc::Sender<Answer>) {
    let path = status::socket_path(&name);
    let mut ticks = every(ASK_EVERY);
    loop {
        ticks.tick().await;
        let answer = match status::query(&path).await {
            Ok(document) => serde_json::from_str(&document).map_err(|error| {
                format!("What the link answers is not understood: {error}. Use the same copperlink for `run` and `monitor`")
            }),
            Err(error) => Err(error.to_string()),
        };
        let name = name.clone();
        if answers.send(Answer { name, answer }).await.is_err() {
            return;
        }
    }
}

fn every(period: Duration) -> Interval {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

const ASK_EVERY: Duration = Duration::from_millis(500);
/// Looking for new links asks each that runs, so it is not done often.
const FIND_EVERY: Duration = Duration::from_secs(3);
/// Answers that wait while the screen is drawn.
const ANSWERS: usize = 16;
