//! What the repository holds, in memory: which chunks lie where, and which packs are needed by whom.
//!
//! A pack lives as long as somebody holds it: a published backup, or one that is being taken and found chunks in it.
//! Both are counted alike, so that deleting a backup never takes a pack from under another.

use std::collections::{HashMap, HashSet};

use super::{
    id::{ChunkId, PackId},
    pack::{Pack, PackedChunk},
};

/// The chunks and packs of a repository.
#[derive(Debug, Default)]
pub(super) struct Index {
    chunks: HashMap<ChunkId, (PackId, PackedChunk)>,
    packs: HashMap<PackId, PackState>,
    /// Index objects by name, with the packs that they list.
    objects: HashMap<String, Vec<PackId>>,
}

#[derive(Debug)]
struct PackState {
    size: u64,
    holders: usize,
}

/// What nobody needs any more.
#[derive(Debug, Default)]
pub(super) struct Unused {
    pub(super) packs: Vec<PackId>,
    /// Names of index objects of which no pack is left.
    pub(super) index_objects: Vec<String>,
}

impl Index {
    /// Adds the packs of an index object with the number of backups that need each. A chunk that is known stays where it is.
    pub(super) fn add_object(&mut self, name: String, packs: &[Pack], holders: impl Fn(PackId) -> usize) {
        self.objects.insert(name, packs.iter().map(|pack| pack.id).collect());
        for pack in packs {
            self.packs.entry(pack.id).or_insert(PackState { size: pack.size, holders: holders(pack.id) });
            for chunk in &pack.chunks {
                self.chunks.entry(chunk.id).or_insert((pack.id, *chunk));
            }
        }
    }

    /// True when the pack is known.
    pub(super) fn has_pack(&self, pack: PackId) -> bool {
        self.packs.contains_key(&pack)
    }

    /// Finds a chunk and holds its pack for a backup that is being taken. `held` are the packs that the backup
    /// holds already; each is counted once.
    pub(super) fn find_and_hold(
        &mut self,
        id: ChunkId,
        held: &mut HashSet<PackId>,
    ) -> Option<(PackId, u64, PackedChunk)> {
        let (pack, chunk) = *self.chunks.get(&id)?;
        let state = self.packs.get_mut(&pack)?;
        if held.insert(pack) {
            state.holders += 1;
        }
        Some((pack, state.size, chunk))
    }

    /// Lets go of packs, and forgets those that nobody holds.
    pub(super) fn release(&mut self, packs: impl IntoIterator<Item = PackId>) -> Unused {
        let mut unused = Vec::new();
        for pack in packs {
            if let Some(state) = self.packs.get_mut(&pack) {
                state.holders = state.holders.saturating_sub(1);
                if state.holders == 0 {
                    unused.push(pack);
                }
            }
        }
        self.forget(unused)
    }

    /// Forgets packs, so that no later backup builds on them.
    pub(super) fn forget(&mut self, packs: Vec<PackId>) -> Unused {
        if packs.is_empty() {
            return Unused::default();
        }
        for pack in &packs {
            self.packs.remove(pack);
        }
        self.chunks.retain(|_, (pack, _)| self.packs.contains_key(pack));
        let empty = |listed: &Vec<PackId>| listed.iter().all(|pack| !self.packs.contains_key(pack));
        let index_objects: Vec<String> =
            self.objects.iter().filter(|(_, listed)| empty(listed)).map(|(name, _)| name.clone()).collect();
        for name in &index_objects {
            self.objects.remove(name);
        }
        Unused { packs, index_objects }
    }
}
