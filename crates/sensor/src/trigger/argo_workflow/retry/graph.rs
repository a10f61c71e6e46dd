//! Which steps of a workflow run again: those that have failed with all that follows them, in what holds them.
//!
//! The rules are those of `argo retry` (Argo Workflows 4.1): a step that runs again is forgotten, with everything
//! below it; what holds it – groups, templates, retries – goes on as if it had not ended.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use tiphys_lang::json::{Map, Value};

use crate::trigger::k8s::text;

/// Steps that hold others.
const GROUPS: [&str; 4] = ["DAG", "TaskGroup", "StepGroup", "Steps"];

/// Steps that do something.
const WORK: [&str; 4] = ["Container", "Pod", "HTTP", "Plugin"];

/// What becomes of steps, by their ids; all others stay as they are.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    /// They go on.
    pub(super) reset: BTreeSet<String>,
    /// They are forgotten.
    pub(super) forgotten: BTreeSet<String>,
}

/// A step.
struct Step<'w> {
    id: &'w str,
    kind: &'w str,
    phase: &'w str,
    boundary: &'w str,
    is_attempt: bool,
    children: Vec<usize>,
    /// The one that it is below; of several, the one whose id is the last.
    parent: Option<usize>,
}

/// The steps of a workflow.
struct Graph<'w> {
    steps: Vec<Step<'w>>,
    root: usize,
}

/// What becomes of the `nodes` of the workflow `name`, if those run again that `is_selected` names, beside those
/// that have failed.
///
/// # Errors
/// If the steps are not connected as those of a workflow are.
pub(super) fn plan(
    nodes: &Map,
    name: &str,
    is_selected: impl Fn(&Value) -> bool,
) -> Result<Plan, String> {
    let graph = Graph::read(nodes, name)?;
    let selected: BTreeSet<usize> = graph
        .steps
        .iter()
        .enumerate()
        .filter(|(_, step)| nodes.get(step.id).is_some_and(&is_selected))
        .map(|(index, _)| index)
        .collect();
    let failed = (0..graph.steps.len()).filter(|index| graph.has_to_run(*index, &selected));
    let again: BTreeSet<usize> = failed.chain(selected.iter().copied()).collect();
    let (mut reset, mut forgotten) = (BTreeSet::new(), BTreeSet::new());
    // What stands higher goes first: what is below it is forgotten with it.
    for index in graph.sorted() {
        if again.contains(&index) && !forgotten.contains(&index) {
            graph.run_again(index, &mut reset, &mut forgotten)?;
        }
    }
    let names = |indices: BTreeSet<usize>| {
        let ids = indices
            .into_iter()
            .map(|index| graph.steps[index].id.to_owned());
        ids.collect::<BTreeSet<String>>()
    };
    let forgotten = names(forgotten);
    let mut reset = names(reset);
    reset.retain(|id| !forgotten.contains(id));
    Ok(Plan { reset, forgotten })
}

impl<'w> Graph<'w> {
    fn read(nodes: &'w Map, name: &str) -> Result<Self, String> {
        // In the order of their ids, so that the same workflow has the same plan.
        let by_id: BTreeMap<&str, &Value> = nodes
            .iter()
            .map(|(key, node)| (text(node, &["id"]).unwrap_or(key), node))
            .collect();
        let indices: BTreeMap<&str, usize> = by_id.keys().copied().zip(0..).collect();
        let mut steps = Vec::with_capacity(by_id.len());
        for (id, node) in &by_id {
            let children = ids(node, "children").map(|child| {
                let known = indices.get(child).copied();
                known.ok_or_else(|| format!("step {child} below {id} is not in its status"))
            });
            steps.push(Step {
                id,
                kind: text(node, &["type"]).unwrap_or_default(),
                phase: text(node, &["phase"]).unwrap_or_default(),
                boundary: text(node, &["boundaryID"]).unwrap_or_default(),
                is_attempt: node.get("nodeFlag").and_then(|flag| flag.get("retried"))
                    == Some(&Value::Bool(true)),
                children: children.collect::<Result<_, _>>()?,
                parent: None,
            });
        }
        for index in 0..steps.len() {
            for child in steps[index].children.clone() {
                steps[child].parent = Some(index);
            }
        }
        let on_exit = format!("{name}.onExit");
        let mut root = None;
        for (index, node) in by_id.values().enumerate() {
            let node_name = text(node, &["name"]).unwrap_or_default();
            if node_name == name {
                root = Some(index);
            } else if steps[index].parent.is_none() && !node_name.starts_with(&on_exit) {
                return Err(format!("step {node_name} is below no other"));
            }
        }
        let root = root.ok_or_else(|| "no step has the name of the workflow".to_owned())?;
        Ok(Self { steps, root })
    }

    /// All that are below the first one, those that stand higher first; exit handlers are not.
    fn sorted(&self) -> Vec<usize> {
        let mut sorted = vec![self.root];
        let mut seen = BTreeSet::from([self.root]);
        let mut next = 0;
        while let Some(index) = sorted.get(next) {
            let children = self.steps[*index].children.iter().copied();
            let new: Vec<usize> = children.filter(|child| seen.insert(*child)).collect();
            sorted.extend(new);
            next += 1;
        }
        sorted
    }

    /// All that are below a step, without itself unless it is.
    fn below(&self, index: usize) -> BTreeSet<usize> {
        let mut below = BTreeSet::new();
        let mut left = VecDeque::from([index]);
        while let Some(index) = left.pop_front() {
            for child in &self.steps[index].children {
                if below.insert(*child) {
                    left.push_back(*child);
                }
            }
        }
        below
    }

    /// Whether a step has failed, and nothing after it has succeeded all the same.
    fn has_to_run(&self, index: usize, selected: &BTreeSet<usize>) -> bool {
        let step = &self.steps[index];
        if !is_failed(step) || !WORK.contains(&step.kind) {
            return false;
        }
        // Of an attempt, what comes after all attempts counts.
        let retry = self.steps.iter().position(|other| {
            step.is_attempt && other.kind == "Retry" && other.children.contains(&index)
        });
        let below = self.below(retry.unwrap_or(index));
        let mut below = below.into_iter();
        !below.any(|other| !selected.contains(&other) && self.steps[other].phase == "Succeeded")
    }

    /// Forgets a step with all that is below it, and resets what holds it.
    fn run_again(
        &self,
        start: usize,
        reset: &mut BTreeSet<usize>,
        forgotten: &mut BTreeSet<usize>,
    ) -> Result<(), String> {
        forgotten.extend(self.below(start));
        forgotten.insert(start);
        if start == self.root {
            return Ok(());
        }
        let mut current = Some(start);
        while let Some(index) = current {
            let step = &self.steps[index];
            current = match step.kind {
                kind if GROUPS.contains(&kind) => {
                    reset.insert(index);
                    self.reset_boundaries(index, reset)?
                }
                "Container" => {
                    let is_pod = |step: &Step<'_>| step.kind == "Pod";
                    let pod = self.reset_until(index, is_pod, reset)?;
                    forgotten.extend(self.below(pod));
                    forgotten.insert(pod);
                    Some(pod)
                }
                "Retry" if is_failed(step) => {
                    reset.insert(index);
                    step.parent
                }
                _ => step.parent,
            };
        }
        Ok(())
    }

    /// Resets all that hold a group. What is above the last of them.
    fn reset_boundaries(
        &self,
        index: usize,
        reset: &mut BTreeSet<usize>,
    ) -> Result<Option<usize>, String> {
        let mut current = index;
        loop {
            let parent_of = |index: usize, kind: &str| {
                let parent = self.steps[index].parent?;
                (self.steps[parent].kind == kind).then_some(parent)
            };
            if let Some(retry) = parent_of(current, "Retry") {
                reset.insert(retry);
                current = retry;
            }
            reset.extend(parent_of(current, "StepGroup"));
            reset.extend(parent_of(current, "TaskGroup"));
            let boundary = self.steps[current].boundary;
            if boundary.is_empty() {
                return Ok(self.steps[current].parent);
            }
            current = self.reset_until(current, |step| step.id == boundary, reset)?;
        }
    }

    /// Resets the first that is so, from a step upwards.
    fn reset_until(
        &self,
        index: usize,
        is_so: impl Fn(&Step<'_>) -> bool,
        reset: &mut BTreeSet<usize>,
    ) -> Result<usize, String> {
        let above = std::iter::successors(Some(index), |index| self.steps[*index].parent);
        // Nobody is above more steps than there are.
        let mut above = above.take(self.steps.len());
        let found = above.find(|index| is_so(&self.steps[*index]));
        let found = found.ok_or_else(|| {
            format!(
                "what step {} is a part of is not above it",
                self.steps[index].id
            )
        })?;
        reset.insert(found);
        Ok(found)
    }
}

fn is_failed(step: &Step<'_>) -> bool {
    ["Failed", "Error"].contains(&step.phase)
}

/// The ids in a field of a step.
pub(super) fn ids<'w>(node: &'w Value, field: &str) -> impl Iterator<Item = &'w str> {
    let list = match node.get(field) {
        Some(Value::Array(list)) => &list[..],
        _ => &[],
    };
    list.iter().filter_map(|id| match id {
        Value::String(id) => Some(&**id),
        _ => None,
    })
}
