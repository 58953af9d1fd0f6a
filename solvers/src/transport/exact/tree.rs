//! The basis of the network simplex: a spanning tree of the queries and of the rows that are split between several.
//!
//! A row that one query holds whole is a leaf: it knows its holder and is on no list, because its potential follows
//! from the holder's. So a subtree is as large as the number of queries in it, however many rows they hold.
//!
//! Limit: a pivot follows pointers around one cycle and through one subtree.

use super::simplex::EdgeCosts;
use super::start::{Edge, Graph};

const NONE: u32 = u32::MAX;

/// Links of one node. Queries are nodes 0..m, row i is node m + i.
#[derive(Debug, Clone, Copy)]
struct Node {
    parent: u32,
    depth: u32,
    /// The children that are listed: queries, and rows with children.
    child: u32,
    next: u32,
    previous: u32,
    listed: bool,
    /// Mass on the edge to the parent.
    mass: u64,
}

impl Node {
    const ALONE: Node =
        Node { parent: NONE, depth: 0, child: NONE, next: NONE, previous: NONE, listed: false, mass: 0 };
}

/// A spanning tree with the masses that its edges carry and the potentials that it implies.
///
/// It is kept strongly feasible (Cunningham 1976): an edge that carries nothing has its row below its query. Pivots
/// that move no mass then cannot repeat a tree.
#[derive(Debug, Clone)]
pub(crate) struct Tree {
    m: u32,
    nodes: Vec<Node>,
    /// Dual variable of every query; minus infinity where a query is not in the tree.
    pub(crate) potentials: Vec<f64>,
}

impl Tree {
    /// The tree of these edges (row, query, mass), sorted by row; `offers` is finite for the queries in it.
    pub(super) fn new(costs: impl EdgeCosts, rows: usize, edges: &[Edge], offers: &[f64]) -> Self {
        let mut tree = Self {
            m: costs.columns() as u32,
            nodes: vec![Node::ALONE; costs.columns() + rows],
            potentials: offers.to_vec(),
        };
        let (m, graph) = (tree.m, Graph::new(costs.columns(), rows, edges));
        let root = offers.iter().position(|&offer| offer > f64::NEG_INFINITY).unwrap_or(0);
        let mut open = vec![root as u32];
        while let Some(query) = open.pop() {
            let g = tree.potentials[query as usize];
            let above = tree.nodes[query as usize].parent;
            for &(row, _, mass) in graph.of_query(edges, query).filter(|edge| m + edge.0 != above) {
                let node = m + row;
                tree.attach(node, query, mass);
                for &(_, other, mass) in graph.of_row(edges, row).iter().filter(|edge| edge.1 != query) {
                    tree.attach(other, node, mass);
                    tree.nodes[other as usize].depth = tree.nodes[query as usize].depth + 2;
                    tree.potentials[other as usize] = costs.of(row, other) - (costs.of(row, query) - g);
                    open.push(other);
                }
            }
        }
        tree
    }

    /// Renews the potentials for other costs.
    pub(crate) fn reprice(&mut self, costs: impl EdgeCosts) {
        let in_tree = |column: &u32| self.potentials[*column as usize] > f64::NEG_INFINITY;
        let Some(root) = (0..self.m).find(|column| in_tree(column) && self.nodes[*column as usize].parent == NONE)
        else {
            return;
        };
        let g = &mut self.potentials[root as usize];
        *g = costs.grid().snap(*g);
        let mut open = vec![root];
        while let Some(at) = open.pop() {
            let Node { parent, mut child, .. } = self.nodes[at as usize];
            if at < self.m && at != root {
                let (row, above) = (parent - self.m, self.nodes[parent as usize].parent);
                let g = self.potentials[above as usize];
                self.potentials[at as usize] = costs.of(row, at) - (costs.of(row, above) - g);
            }
            while child != NONE {
                open.push(child);
                child = self.nodes[child as usize].next;
            }
        }
    }

    /// The largest magnitude of a potential.
    pub(super) fn largest(&self) -> f64 {
        self.potentials.iter().filter(|g| g.is_finite()).fold(0.0, |largest, g| largest.max(g.abs()))
    }

    /// The query above a row.
    pub(super) fn holder(&self, row: u32) -> u32 {
        self.nodes[(self.m + row) as usize].parent
    }

    /// All (row, query, mass) with positive mass, in no particular order.
    pub(crate) fn shipments(&self) -> impl Iterator<Item = Edge> + '_ {
        let m = self.m;
        (0..).zip(&self.nodes).filter(|(_, node)| node.parent != NONE && node.mass > 0).map(move |(at, node)| {
            if at < m { (node.parent - m, at, node.mass) } else { (at - m, node.parent, node.mass) }
        })
    }

    /// Brings the edge from `row` to `query`, of negative reduced cost, into the tree in place of another. Returns the
    /// largest magnitude of a potential that changed.
    #[inline(never)]
    pub(super) fn pivot(&mut self, costs: impl EdgeCosts, row: u32, query: u32) -> f64 {
        let m = self.m;
        let entering = m + row;
        let holder = self.holder(row);
        let reduced = (costs.of(row, query) - self.potentials[query as usize])
            - (costs.of(row, holder) - self.potentials[holder as usize]);
        let nodes = &mut self.nodes;
        // A leaf does not keep its depth.
        nodes[entering as usize].depth = nodes[holder as usize].depth + 1;

        // Mass on the way up from the row leaves the edges below which a row hangs; on the way up from the query,
        // those below which a query hangs. Of equals the last on the cycle leaves the tree, seen from its top.
        let (mut left, mut right) = (entering, query);
        let (mut least, mut leaving, mut on_left) = (u64::MAX, NONE, true);
        while left != right {
            if nodes[left as usize].depth >= nodes[right as usize].depth {
                let node = &nodes[left as usize];
                if left >= m && (node.mass < least) {
                    (least, leaving, on_left) = (node.mass, left, true);
                }
                left = node.parent;
            } else {
                let node = &nodes[right as usize];
                if right < m && node.mass <= least {
                    (least, leaving, on_left) = (node.mass, right, false);
                }
                right = node.parent;
            }
        }
        let top = left;
        if least > 0 {
            for (start, rows_lose) in [(entering, true), (query, false)] {
                let mut at = start;
                while at != top {
                    let node = &mut nodes[at as usize];
                    if (at >= m) == rows_lose {
                        node.mass -= least
                    } else {
                        node.mass += least
                    }
                    at = node.parent;
                }
            }
        }

        let (inner, outer, shift) = if on_left { (entering, query, -reduced) } else { (query, entering, reduced) };
        let (mut child, mut parent, mut mass) = (inner, outer, least);
        loop {
            let old = self.nodes[child as usize];
            self.detach(child);
            self.attach(child, parent, mass);
            if child == leaving {
                break;
            }
            (parent, child, mass) = (child, old.parent, old.mass);
        }
        self.shift(inner, shift)
    }

    /// Adds to all potentials of a subtree and renews its depths; returns the largest magnitude.
    #[inline(never)]
    fn shift(&mut self, top: u32, by: f64) -> f64 {
        let mut largest = 0.0f64;
        let mut at = top;
        loop {
            let parent = self.nodes[at as usize].parent;
            self.nodes[at as usize].depth = self.nodes[parent as usize].depth + 1;
            if at < self.m {
                let g = &mut self.potentials[at as usize];
                *g += by;
                largest = largest.max(g.abs());
            }
            if self.nodes[at as usize].child != NONE {
                at = self.nodes[at as usize].child;
                continue;
            }
            while at != top && self.nodes[at as usize].next == NONE {
                at = self.nodes[at as usize].parent;
            }
            if at == top {
                return largest;
            }
            at = self.nodes[at as usize].next;
        }
    }

    /// Hangs a node, with what hangs on it, under another.
    fn attach(&mut self, child: u32, parent: u32, mass: u64) {
        let node = &mut self.nodes[child as usize];
        (node.parent, node.mass) = (parent, mass);
        if child < self.m || node.child != NONE {
            self.list(child);
        }
        if parent >= self.m && !self.nodes[parent as usize].listed {
            let above = self.nodes[parent as usize].parent;
            self.nodes[parent as usize].depth = self.nodes[above as usize].depth + 1;
            self.list(parent);
        }
    }

    fn detach(&mut self, child: u32) {
        self.unlist(child);
        let parent = self.nodes[child as usize].parent;
        if parent >= self.m && self.nodes[parent as usize].child == NONE {
            self.unlist(parent);
        }
    }

    fn list(&mut self, child: u32) {
        let parent = self.nodes[child as usize].parent;
        let first = std::mem::replace(&mut self.nodes[parent as usize].child, child);
        let node = &mut self.nodes[child as usize];
        (node.next, node.previous, node.listed) = (first, NONE, true);
        if first != NONE {
            self.nodes[first as usize].previous = child;
        }
    }

    fn unlist(&mut self, child: u32) {
        let node = self.nodes[child as usize];
        if !node.listed {
            return;
        }
        self.nodes[child as usize].listed = false;
        match node.previous {
            NONE => self.nodes[node.parent as usize].child = node.next,
            previous => self.nodes[previous as usize].next = node.next,
        }
        if node.next != NONE {
            self.nodes[node.next as usize].previous = node.previous;
        }
    }
}
