#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Breaks the MMU and the pure files of nested/ in many places, one at a time, and checks that a test notices.

Each mutation is a piece of source in one function (or file) of mmu/, or of nested/, and
what takes its place.  It is applied to a copy; the unit tests or the property test,
with fixed seeds, must then fail, or the threads under ThreadSanitizer.  A mutation that no longer applies or does
not build is a failure of this list.  Output is TAP.
"""
import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

TOP = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
UNITS = ["spte_test", "slot_test", "pageset_test", "ring_test", "pml_test", "ept_test",
         "split_test", "dirty_test", "coarse_test", "fault_test", "host_test", "shadow_test",
         "shadow_log_test"]
PROPERTY = "property"
THREADS = "threads"
# Seconds a mode, one run after the other: threads meet when they meet, on a busy machine later.
PATIENCE = (1, 3, 9)
# Of nested/: what only one of them can notice, and which.
NESTED_UNITS = ["ept12_test", "check_test", "check_guest_test", "caps_test", "evmcs_test"]
EPT12, CHECK, CHECK_GUEST, CAPS, EVMCS = NESTED_UNITS


class Mutation:
    """what: a sentence; edits: [(file, function or None, old, new)]; by: who must notice."""

    def __init__(self, invariant, what, *edits, by="any"):
        self.invariant = invariant
        self.what = what
        self.edits = edits
        self.by = by


MUTATIONS = [
    Mutation(4, "turning logging on does not always flush",
             ("dirty.c", "dirty_start", "\tbatch->flush = true;\n", ""), by=PROPERTY),
    Mutation(1, "the log is drained from its other end",
             ("pml.c", "pml_drain", "unsigned int count = pml_count(index);",
              "unsigned int i, count = pml_count(index);\n\tu64 turned[PML_ENTRIES];\n"
              "\tfor (i = 0; i < count; i++)\n"
              "\t\tturned[PML_INDEX_EMPTY - i] = log[PML_ENTRIES - count + i];\n"
              "\tlog = turned;"),
             by=PROPERTY),
    Mutation(6, "a full log is taken for an empty one",
             ("pml.h", "pml_count", "? PML_ENTRIES :", "? 0 :")),
    Mutation(6, "the low bits of a log entry count",
             ("pml.c", "entry_gfn", "entry >> PAGE_SHIFT", "(entry + 0xfff) >> PAGE_SHIFT")),
    Mutation(9, "the log records beyond the slot it looked up",
             ("pml.c", "record_run", "if (page >= width)", "if (page > width)")),
    Mutation(2, "GET takes a record and does not flush",
             ("dirty.c", "take_run", "\tif (any)\n\t\tbatch->flush = true;\n", ""), by=PROPERTY),
    Mutation(2, "CLEAR takes a record and does not flush",
             ("dirty.c", "dirty_clear", "\t\t\t\tbatch->flush = true;\n", "\t\t\t\t;\n"), by=PROPERTY),
    Mutation(2, "RESET gives back an entry and does not flush",
             ("reset.c", "dirty_reset_some", "\tif (count)\n\t\tbatch->flush = true;\n", "")),
    Mutation(2, "arming a leaf does not flush",
             ("arm.c", "ept_rearm_mask", "\t\tbatch->flush = true;\n", "\t\t;\n"),
             ("arm.c", "rearm_range", "\tbatch->flush |= written;\n", "")),
    Mutation(1, "a range is taken and not armed",
             ("coarse.c", "take_range", "\tarm(mmu, slot, range, batch);\n", "")),
    Mutation(1, "arming a range for some pages forgets that others were written",
             ("coarse.c", "keep_written",
              "slot_word_mask(slot, word) & ~taken", "slot_word_mask(slot, word) & 0")),
    Mutation(1, "arming a range for CLEAR keeps it from the trackers",
             ("coarse.c", "keep_written", "\t\tviews_tell_trackers(slot->views, word, taken);\n", "\t\t;\n")),
    Mutation(13, "arming a range for CLEAR loses what L2's log has still to tell",
             ("mmu.h", "mmu_reads_d", "mmu_scans_d(mmu) || mmu->logs_l2", "mmu_scans_d(mmu)"),
             by="shadow_log_test"),
    Mutation(3, "a range is told in part",
             ("coarse.c", "coarse_take_run", "taken ? slot_word_mask(slot, word)", "taken ? 1")),
    Mutation(2, "taking a range does not flush",
             ("coarse.c", "arm", "\tbatch->flush = true;\n", "")),
    Mutation(1, "RESET of a range arms one page",
             ("reset.c", "arm_coarse", "min(first + SLOT_RANGE_PAGES, slot->npages)", "first + 1")),
    Mutation(11, "a large leaf is of more than one range",
             ("slot.c", "slot_level", "min(max, 2)", "min(max, 3)")),
    Mutation(1, "a tracker that asks for part of a range leaves the rest unarmed",
             ("dirty.c", "dirty_share", "coarse_whole(slot, range)", "range")),
    Mutation(1, "ranges taken are not all that was owed",
             ("coarse.c", "take_owed", "owed |= !!slot->views->abi.word[word];", ";")),
    Mutation(11, "logging by ranges splits",
             ("dirty.c", "dirty_start", "if (!slot->coarse)\n\t\t\ttable_stock_fill",
              "table_stock_fill"),
             ("dirty.c", "dirty_start", "slot->coarse ? NULL : &stock", "&stock")),
    Mutation(1, "GET takes records and does not arm",
             ("dirty.c", "take_word",
              "\tept_rearm_mask(mmu, slot->base + word * 64, taken, batch);\n", ""),
             by=PROPERTY),
    Mutation(1, "CLEAR takes records and does not arm",
             ("dirty.c", "clear_word",
              "\twritten = ept_rearm_mask(mmu, slot->base + word * 64, taken | owed, batch);\n",
              "\twritten = 0;\n"),
             by=PROPERTY),
    Mutation(1, "RESET gives entries back and does not arm",
             ("reset.c", "reset_batch",
              "\t\tept_rearm_mask(mmu, named.slot->base + rel, 1, batch);\n", ""),
             by=PROPERTY),
    Mutation(1, "RESET arms the first page of a run only",
             ("ring.h", "ring_take_run", "\t\ttake(to, page);\n", ""),
             by=PROPERTY),
    Mutation(1, "RESET takes a run of another slot's pages for this one's",
             ("ring.h", "ring_take_run", "ring_flags_and_slot(entry) == harvested",
              "(u32)ring_flags_and_slot(entry) == (u32)harvested")),
    Mutation(7, "a run of entries goes beyond the last that was produced",
             ("ring.h", "ring_take_run", "min3(max, produced, ring->size - at)",
              "min(max, ring->size - at)")),
    Mutation(7, "a run of entries goes beyond the ring's end",
             ("ring.h", "ring_take_run", "min3(max, produced, ring->size - at)",
              "min(max, produced)")),
    Mutation(7, "a run takes entries that nobody harvested",
             ("ring.h", "ring_take_run", "ring_flags_and_slot(entry) == harvested",
              "ring_flags_and_slot(entry) >> 32 == run->slot_id"), by=PROPERTY),
    Mutation(7, "an entry of a run that is given back stays harvested",
             ("ring.h", "ring_take_run", "\t\tWRITE_ONCE(entry->flags, 0);\n", "")),
    Mutation(1, "turning logging on arms nothing",
             ("dirty.c", "dirty_start", "\t\tept_rearm_range(mmu, gfn, next, slot->coarse ? NULL : &stock, batch);\n", ""),
             by=PROPERTY),
    Mutation(8, "CLEAR takes bits that were not asked for",
             ("dirty.c", "dirty_clear", "mask[word - first / 64] & slot_word_mask(slot, word)",
              "slot_word_mask(slot, word)"), by=PROPERTY),
    Mutation(8, "CLEAR arms what was asked for, set or not",
             ("dirty.c", "clear_word", "slot->base + word * 64, taken | owed, batch",
              "slot->base + word * 64, asked, batch")),
    Mutation(8, "CLEAR reads its mask from the slot's beginning",
             ("dirty.c", "dirty_clear", "mask[word - first / 64]", "mask[word % 2]")),
    Mutation(8, "a harvest goes beyond the slot's end",
             ("slot.h", "slot_word_mask", "left >= 64 ? ~0ull : BIT_ULL(left) - 1",
              "left ? ~0ull : 0")),
    Mutation(1, "what could not be handed over is lost",
             ("dirty.c", "dirty_put_back", "pageset_add_word(&slot->dirty, word, *from++);", "from++;"),
             by=PROPERTY),
    Mutation(1, "records are added without an atomic operation",
             ("pageset.h", "pageset_add_word",
              "while (!try_cmpxchg(&set->word[word], &old, old | bits))\n\t\t;",
              "set->word[word] = bits;")),
    Mutation(1, "the log tells of no block",
             ("pml.c", "record_run", "\tpageset_tell(&slot->dirty, first);\n", ""), by=PROPERTY),
    Mutation(1, "the log tells of a block before it records its pages",
             ("pml.c", "record_run", "\tpageset_tell(&slot->dirty, first);\n", ""),
             ("pml.c", "record_run", "\tfor (; end > last; end--) {\n",
              "\tpageset_tell(&slot->dirty, first);\n\tfor (; end > last; end--) {\n")),
    Mutation(1, "the log goes on in the next block and tells of one",
             ("pml.c", "record_run", "min(slot->npages - first, PAGESET_BLOCK_PAGES)",
              "slot->npages - first"), by=PROPERTY),
    Mutation(1, "a record tells of no block",
             ("pageset.h", "pageset_add", "\tpageset_tell(set, page);\n", ""), by=PROPERTY),
    Mutation(1, "a record tells of its block, and then is made",
             ("pageset.h", "pageset_add",
              "\tset_bit(page, set->word);\n\tpageset_tell(set, page);\n",
              "\tpageset_tell(set, page);\n\tset_bit(page, set->word);\n")),
    Mutation(1, "a word of records tells of no block",
             ("pageset.h", "pageset_add_word", "\tpageset_tell(set, word * 64);\n", "")),
    Mutation(1, "a word of records tells of its block first",
             ("pageset.h", "pageset_add_word", "\tpageset_tell(set, word * 64);\n", ""),
             ("pageset.h", "pageset_add_word", "\twhile (!try_cmpxchg(",
              "\tpageset_tell(set, word * 64);\n\twhile (!try_cmpxchg(")),
    Mutation(1, "what trackers are owed tells of no block",
             ("pageset.h", "pageset_add_word_alone",
              "\t__set_bit(word / PAGESET_BLOCK_WORDS, set->block);\n", ""), by=PROPERTY),
    Mutation(1, "a harvest opens a block after it took its pages",
             ("dirty.c", "take_run", "\tpageset_open(&slot->dirty, run);\n", ""),
             ("dirty.c", "take_run", "\twrite_unlock(&mmu->lock);\n",
              "\tpageset_open(&slot->dirty, run);\n\twrite_unlock(&mmu->lock);\n")),
    Mutation(1, "a block that is taken in part is told of no longer",
             ("pageset.h", "pageset_open",
              "\tif (run.first == block * PAGESET_BLOCK_WORDS &&\n"
              "\t    run.end == min(set->words, run.first + PAGESET_BLOCK_WORDS))\n", ""),
             by=PROPERTY),
    Mutation(1, "a tidied block forgets what came meanwhile",
             ("pageset.c", "pageset_tidy", "\tif (!is_empty(set, run))\n\t\tpageset_tell",
              "\tif (false)\n\t\tpageset_tell")),
    Mutation(1, "a block is tidied by a part of it",
             ("pageset.c", "pageset_tidy", "\tif (!is_empty(set, run))\n\t\treturn;",
              "\tif (set->word[run.first])\n\t\treturn;"),
             ("pageset.c", "pageset_tidy", "\tif (!is_empty(set, run))\n\t\tpageset_tell",
              "\tif (false)\n\t\tpageset_tell"), by=PROPERTY),
    Mutation(1, "GET looks for blocks before D has told",
             ("dirty.c", "dirty_get", "\tdirty_see_writes(mmu, slot, all);\n", ""), by=PROPERTY),
    Mutation(1, "a scan goes beyond the end of a hole",
             ("dirty.c", "see_word", "(ept_hole_end(mmu, gfn) - slot->base) / 64",
              "(ept_hole_end(mmu, gfn) - slot->base + 63) / 64")),
    Mutation(7, "a full ring is overwritten",
             ("ring.h", "ring_has_room", "ring->size - ring_used(ring) >= n", "true")),
    Mutation(7, "the ring keeps no reserve",
             ("ring.h", "ring_is_soft_full", "ring->size - RING_RESERVE", "ring->size"),
             by=PROPERTY),
    Mutation(7, "entries nobody harvested are given back",
             ("ring.h", "ring_is_harvested", "& KVM_DIRTY_GFN_F_RESET", "| 1"), by=PROPERTY),
    Mutation(7, "entries that were never produced are given back",
             ("ring.h", "ring_take_harvested", "READ_ONCE(ring->head) == ring->tail", "false")),
    Mutation(7, "an entry that is given back stays harvested",
             ("ring.h", "ring_take_harvested", "\tWRITE_ONCE(entry->flags, 0);\n", "")),
    Mutation(7, "RESET believes any page number",
             ("reset.c", "reset_batch", "!named.slot || rel >= named.slot->npages",
              "!named.slot")),
    Mutation(10, "arming forgets what the host has to hear",
             ("spte.h", "spte_rearm", " | SPTE_WAS_DIRTY", ""), by=PROPERTY),
    Mutation(10, "ageing forgets what the host has to hear",
             ("spte.c", "spte_age", "\tif (spte & EPT_W)\n\t\tspte |= SPTE_WAS_DIRTY;\n", "")),
    Mutation(5, "ageing clears D with A",
             ("spte.c", "spte_age", "return spte & ~EPT_A;", "return spte & ~(EPT_A | EPT_D);"),
             by=PROPERTY),
    Mutation(14, "an aged page stays writable where W tells",
             ("spte.c", "spte_age", "return spte & ~EPT_RWX;",
              "return spte & ~(EPT_R | EPT_X);")),
    Mutation(3, "a logged page is writable before it was recorded",
             ("spte.c", "accessed_leaf", "kind == SPTE_AD || page->write || !page->logged", "true"),
             by=PROPERTY),
    Mutation(1, "a logged page is mapped with D set",
             ("spte.c", "accessed_leaf", "kind == SPTE_AD && page->write && !page->logged",
              "kind == SPTE_AD && page->write"), by=PROPERTY),
    Mutation(10, "a page that is read-only for the host is writable",
             ("spte.c", "accessed_leaf", "\tif (!page->host_writable)\n\t\treturn spte;\n", "")),
    Mutation(10, "a fault does not ask whether it raced",
             ("fault.c", "fault_map", "host_race_lost(mmu, around.seq, slot_hva(slot, gfn), level)", "false"), by=PROPERTY),
    Mutation(10, "a fault samples the race after the look-up",
             ("fault.c", "fault_map", "\t\tif (host_race_lost(",
              "\t\taround.seq = host_race_begin(mmu);\n\t\tif (host_race_lost("), by=PROPERTY),
    Mutation(10, "a fault replaces the leaf of another page",
             ("fault.c", "install", "spte_hfn(old) != found.hfn", "false")),
    Mutation(1, "an upgrade forgets D",
             ("spte.h", "spte_replace", "\tspte |= old & (EPT_D | SPTE_WAS_DIRTY);\n", "")),
    Mutation(10, "an upgrade forgets what W told",
             ("spte.h", "spte_replace", "spte_was_written(old) ? spte | SPTE_WAS_DIRTY : spte", "spte")),
    Mutation(1, "W comes back without a record",
             ("fault.c", "mmu_restore", "restored == EPT_RESTORED_WRITE", "false"), by=PROPERTY),
    Mutation(1, "without the lock, a write is recorded before it is permitted",
             ("fault.c", "mmu_restore", "\trestored = ept_restore(",
              "\trecord_permitted(mmu, slot, fault, ring);\n\trestored = ept_restore("),
             ("fault.c", "mmu_restore", "restored == EPT_RESTORED_WRITE", "false"), by=THREADS),
    Mutation(10, "restoring overwrites what changed meanwhile",
             ("ept.c", "restore_leaf", "new == old || !try_cmpxchg64(sptep, &old, new)",
              "new == old"),
             ("ept.c", "restore_leaf", "\treturn (new & ~old)",
              "\tWRITE_ONCE(*sptep, new);\n\treturn (new & ~old)"), by=PROPERTY),
    Mutation(2, "a table is freed while a fault walks it without the lock",
             ("ept.c", "table_bury", "\tbatch->dead_tables = table;\n",
              "\ttable_free(table);\n"), by=THREADS),
    Mutation(1, "W is given without a record",
             ("fault.c", "fault_map", "\t\t\trecord_permitted(mmu, slot, fault, ring);\n", ""),
             by=PROPERTY),
    Mutation(3, "a read is recorded",
             ("fault.c", "record_permitted", "fault->write && !fault->lend", "!fault->lend"), by=PROPERTY),
    Mutation(9, "a slot that goes still maps pages",
             ("fault.c", "mmu_fault", "READ_ONCE(slot->dying)", "false")),
    Mutation(9, "an MMIO entry of other slots is believed",
             ("fault.c", "mmu_is_mmio", "spte_mmio_is_current(spte, slots->generation)",
              "spte_is_mmio(spte)"), by=PROPERTY),
    Mutation(9, "a read-only slot can be written",
             ("fault.c", "install", "page->writable && !(slot->flags & KVM_MEM_READONLY)",
              "page->writable"), by=PROPERTY),
    Mutation(10, "a page's reference is kept",
             ("fault.c", "put_around", "\t\thost_put_page(&around->page);\n", "\t\t;\n")),
    Mutation(10, "a neighbour is mapped while it is taken away",
             ("fault.c", "map_around", " || host_race_lost(mmu, around->seq, slot_hva(slot, at), 1)",
              ""), by=PROPERTY),
    Mutation(3, "a neighbour is mapped as if it were written",
             ("fault.c", "map_around", ".logged = slot_is_logged(slot)", ".logged = false"),
             by=PROPERTY),
    Mutation(5, "a neighbour is mapped as if it were accessed",
             ("fault.c", "map_around", ".ahead = true", ".ahead = false")),
    Mutation(9, "neighbours in a read-only slot can be written",
             ("fault.c", "map_around", "!(slot->flags & KVM_MEM_READONLY)", "true"), by=PROPERTY),
    Mutation(9, "neighbours beyond the slot's end are mapped",
             ("fault.c", "choose_around",
              "min(window + AROUND_PAGES, slot->base + slot->npages)", "window + AROUND_PAGES")),
    Mutation(10, "a neighbour overwrites what another CPU mapped",
             ("ept.c", "ept_fill", "if (spte[i] && try_cmpxchg64(&leaf[i], &old, spte[i]))",
              "(void)old;\n\t\tif (spte[i] && !xchg(&leaf[i], spte[i]))")),
    Mutation(10, "neighbours' references are kept",
             ("fault.c", "put_around", "i < around->got", "i < 1")),
    Mutation(9, "tables for MMIO are not counted",
             ("fault.c", "fault_mmio", "\tatomic_long_add(made, &mmu->nr_mmio_tables);\n", "")),
    Mutation(10, "W comes back where the host forbids it",
             ("ept.c", "restore_leaf", "(write && !spte_may_restore_write(old))", "false")),
    Mutation(11, "a large leaf that is logged is made writable again",
             ("ept.c", "ept_restore", "write && slot_is_logged_by_page(slot)", "false")),
    Mutation(1, "a zap does not record D where D is scanned",
             ("ept.c", "zap_record", "slot_set_dirty(slot, gfn - slot->base);", ";"), by=PROPERTY),
    Mutation(10, "a zap does not tell the host",
             ("ept.c", "zap_leaf", "\t\tenv_page_dirty(spte_hfn(old));\n", "\t\t;\n"),
             by=PROPERTY),
    Mutation(10, "a zap does not flush",
             ("ept.c", "zap_leaf", "\tzap->batch->flush = true;\n", ""), by=PROPERTY),
    Mutation(1, "a zap loses a D that is set meanwhile",
             ("ept.c", "zap_leaf", "\told = xchg(sptep, 0);\n",
              "\told = READ_ONCE(*sptep);\n\tWRITE_ONCE(*sptep, 0);\n"), by=PROPERTY),
    Mutation(1, "ageing loses a D that is set meanwhile",
             ("arm.h", "age_leaf", "while (clear && !try_cmpxchg64(sptep, &old, spte_age(old)));",
              "while (0);\n\tif (clear)\n\t\tWRITE_ONCE(*sptep, spte_age(old));"),
             by=PROPERTY),
    Mutation(10, "a zap stops a page early",
             ("ept.c", "ept_zap", ".end = end,", ".end = end - 1,")),
    Mutation(2, "a table is freed before the flush",
             ("ept.c", "table_bury",
              "\tWRITE_ONCE(table[0], batch->dead_tables ? "
              "env_table_pa(batch->dead_tables) : 0);\n"
              "\tbatch->dead_tables = table;\n", "\ttable_free(table);\n"), by=PROPERTY),
    Mutation(2, "a table that is not empty is freed",
             ("ept.c", "zap_table", "if (table_is_empty(child))", "if (true)"), by=PROPERTY),
    Mutation(9, "a table that another vCPU linked is replaced",
             ("ept.c", "child_or_new", "if (!try_cmpxchg64(", "WRITE_ONCE(*entryp, 0);\n"
              "\told = 0;\n\tif (!try_cmpxchg64(")),
    Mutation(10, "a mapping overwrites what changed meanwhile",
             ("ept.c", "ept_set", "!try_cmpxchg64(leaf, &old, spte)",
              "(*leaf = spte, 0)")),
    Mutation(9, "a large leaf takes the place of a table",
             ("ept.c", "ept_set", "(level > 1 && child_table(old)) || ", "")),
    Mutation(11, "what is logged is mapped large",
             ("fault.c", "map_level", "slot_is_logged_by_page(slot) ||\n", "\n"), by=PROPERTY),
    Mutation(11, "a large leaf that cannot be split stays writable",
             ("arm.c", "rearm_range", "\t\t\t\tprotect_large(large_leaf(mmu, gfn));\n",
              "\t\t\t\t;\n"), by=PROPERTY),
    Mutation(11, "a split when logging begins arms nothing",
             ("arm.c", "rearm_range", "ept_split_at(mmu, gfn, true, stock)",
              "ept_split_at(mmu, gfn, false, stock)"), by=PROPERTY),
    Mutation(11, "CLEAR takes records of a large leaf and does not arm it",
             ("arm.c", "test_large", "mask && sptep && test(sptep)", "false")),
    Mutation(10, "a large leaf that loses W forgets what the host has to hear",
             ("spte.h", "spte_protect_large", "SPTE_WAS_DIRTY : 0", "0 : 0")),
    Mutation(10, "a split forgets what the host has to hear",
             ("split.c", "split_leaf", "arm ? spte_rearm(old) : old",
              "(arm ? spte_rearm(old) : old) & ~SPTE_WAS_DIRTY")),
    Mutation(1, "a split that does not arm takes D",
             ("split.c", "split_leaf", "arm ? spte_rearm(old) : old", "spte_rearm(old)")),
    Mutation(1, "a split loses a D that is set meanwhile",
             ("split.c", "split_leaf",
              "while (!try_cmpxchg64(entryp, &old, spte_table(env_table_pa(table), mmu->caps.ad)));",
              "while (0);\n\tWRITE_ONCE(*entryp, spte_table(env_table_pa(table), mmu->caps.ad));")),
    Mutation(11, "what is left of 1G that is split may be written",
             ("spte.c", "spte_first_child", "\tif (level > 2)\n\t\treturn spte;\n\tspte &= ~EPT_PS;\n",
              "\tif (level == 2)\n\t\tspte &= ~EPT_PS;\n")),
    Mutation(11, "a split of 1G for one page stops at 2M",
             ("split.c", "ept_split_at", "\t\t\tstock->n--;\n",
              "\t\t\tstock->n--;\n\t\treturn true;\n")),
    Mutation(11, "1G is mapped where the host maps 2M",
             ("host.c", "host_page_level", "min(host_mapping_level(current->mm, hva), max)",
              "host_mapping_level(current->mm, hva) > 1 ? max : 1"), by=PROPERTY),
    Mutation(11, "all children of a split map one page",
             ("split.c", "fill_children", "child += step", "child += 0")),
    Mutation(9, "a table that was filled for nothing is used again",
             ("ept.c", "child_by_split", "\tclear_table(table);\n", "")),
    Mutation(9, "who loses the race for a split goes on in its own table",
             ("ept.c", "child_by_split",
              "\tclear_table(table);\n\treturn child_table(READ_ONCE(*entryp));",
              "\treturn table;"), by=THREADS),
    Mutation(9, "slots are given back while somebody reads them",
             ("host.c", "host_publish", "\tsynchronize_srcu_expedited(&host->srcu);\n", ""),
             by=THREADS),
    Mutation(10, "a large leaf is told of one page of it",
             ("fault.c", "install", "page->hfn & -EPT_LEVEL_PAGES(level)", "page->hfn")),
    Mutation(11, "a large leaf is executable where it must not be",
             ("fault.c", "install", "level > 1 && mmu->caps.large_nx", "false")),
    Mutation(9, "a large leaf reaches beyond its slot",
             ("slot.c", "slot_level", "first - slot->base + pages <= slot->npages", "true")),
    Mutation(9, "a large leaf maps what is not alike in both spaces",
             ("slot.c", "slot_level", "!(unlike & (pages - 1)) && ", "")),
    Mutation(10, "a large leaf is mapped while a page of it is taken away",
             ("host.c", "host_race_lost",
              "start <= race->end - 1 && race->start <= start + (size - 1)",
              "start <= hva && hva < race->end && hva >= race->start")),
    Mutation(10, "a collapse does not flush",
             ("host.c", "host_zap_end", "\thost->discharge(host, batch);\n",
              "\tept_free_dead(batch);\n")),
    Mutation(10, "an invalidation does not know of a collapse that has not flushed",
             ("host.c", "host_zap_begin", "\trace_start(host->mmu, hva, hva + (pages << PAGE_SHIFT));\n",
              "\t(void)hva;\n"),
             ("host.c", "host_zap_end", "\trace_end(host->mmu);\n", "")),
    Mutation(10, "a large leaf survives the loss of a page",
             ("ept.c", "zap_table", "\t\tif (!child) {\n",
              "\t\tif (!child && (gfn < zap->start || gfn + span > zap->end))\n\t\t\tcontinue;\n"
              "\t\tif (!child) {\n"), by=PROPERTY),
    Mutation(10, "a notifier leaves the flush to another that zapped before",
             ("host.c", "zap_slot", "\t\tbatch->flush |= mmu->race.count > 1;\n", ""),
             by=PROPERTY),
    Mutation(10, "a notifier leaves the flush to the slot's retirement",
             ("host.c", "zap_hva_range", "flush || READ_ONCE(slot->dying)", "flush"),
             by=PROPERTY),
    Mutation(10, "a notifier does not flush",
             ("host.c", "zap_hva_range", "\t\thost->discharge(host, &batch);\n",
              "\t\tept_free_dead(&batch);\n"), by=PROPERTY),
    Mutation(10, "the shrinker frees tables without a flush",
             ("host.c", "host_shrink", "\t\thost->discharge(host, &batch);\n",
              "\t\tept_free_dead(&batch);\n")),
    Mutation(10, "the end of an invalidation is not counted",
             ("host.c", "race_end", "mmu->race.seq + 1", "mmu->race.seq"), by=PROPERTY),
    Mutation(10, "an invalidation under way is not seen",
             ("host.c", "host_race_lost", "race->count &&", "false &&"), by=PROPERTY),
    Mutation(10, "two invalidations under way are one range short",
             ("host.c", "race_start", "max(race->end, end)", "end")),
    Mutation(10, "a range that ends inside a slot is a page short",
             ("host.c", "hva_to_gfns", ">> PAGE_SHIFT) + 1;", ">> PAGE_SHIFT);"), by=PROPERTY),
    Mutation(12, "what the hypervisor writes is not recorded",
             ("host.c", "host_write_guest",
              "\t\tdirty_record(slot, (gpa >> PAGE_SHIFT) - slot->base, ring);\n", ""),
             by=PROPERTY),
    Mutation(12, "the hypervisor writes to a read-only slot",
             ("host.c", "host_write_guest", "(slot->flags & KVM_MEM_READONLY)", "false")),
    Mutation(10, "a page looked up for a read is taken for writable",
             ("host.c", "host_get_page", ".writable = write }", ".writable = true }"),
             by=PROPERTY),
    Mutation(7, "a ring entry is published before it is whole",
             ("ring.h", "ring_put", "smp_store_release(&entry->flags, KVM_DIRTY_GFN_F_DIRTY)",
              "WRITE_ONCE(entry->flags, KVM_DIRTY_GFN_F_DIRTY)"), by=THREADS),
    Mutation(1, "a bit is set without an atomic operation",
             ("pageset.h", "pageset_add", "\tset_bit(page, set->word);",
              "\t__set_bit(page, set->word);"), by=THREADS),
    Mutation(10, "the notifier's count is written plainly",
             ("host.c", "race_end", "WRITE_ONCE(mmu->race.seq, mmu->race.seq + 1)",
              "mmu->race.seq++"), by=THREADS),
    Mutation(9, "an overlap of one page is let through",
             ("slot.c", "slots_overlap", "base < slot->base + slot->npages",
              "base + 1 < slot->base + slot->npages")),
    Mutation(9, "an address that wraps is let through",
             ("slot.c", "region_is_sane",
              "region->userspace_addr + region->memory_size < region->userspace_addr",
              "false")),
    Mutation(9, "a change leaves the old slot's id",
             ("slot.c", "slots_change", "\t\tslots->by_id[without->id] = NULL;\n", "\t\t;\n")),
    Mutation(9, "a change keeps the generation",
             ("slot.c", "slots_change", "old->generation + 1", "old->generation"), by=PROPERTY),
    Mutation(8, "a bitmap that begins set has bits beyond the slot",
             ("pageset.c", "pageset_init", "if (npages % 64)", "if (false)"), by=PROPERTY),
    Mutation(1, "a tracker's harvest takes from the ABI",
             ("tracker.c", "views_tell", "\tpageset_add_word_alone(&views->abi, word, taken);\n", ""), by=PROPERTY),
    Mutation(1, "a harvest takes from the trackers",
             ("tracker.c", "views_tell_trackers", "\t\t\tpageset_add_word_alone(&views->of[id].owed, word, taken);\n", "\t\t\t;\n"),
             by=PROPERTY),
    Mutation(1, "the last tracker is not told",
             ("tracker.c", "views_tell_trackers", "id < TRACKERS_MAX", "id < 1"), by=PROPERTY),
    Mutation(1, "GET tells no tracker",
             ("dirty.c", "take_word", "\t\tviews_tell(slot->views, word, taken);\n", "\t\t;\n"),
             by=PROPERTY),
    Mutation(1, "CLEAR tells no tracker",
             ("dirty.c", "clear_word", "\t\tviews_tell(slot->views, word, taken | written);\n", ""),
             by=PROPERTY),
    Mutation(1, "CLEAR keeps from the trackers what D alone tells",
             ("dirty.c", "clear_word", "taken | written);", "taken);"), by=PROPERTY),
    Mutation(8, "CLEAR leaves what trackers took before",
             ("dirty.c", "clear_word", "\t\tslot->views->abi.word[word] &= ~asked;\n", ""),
             by=PROPERTY),
    Mutation(3, "CLEAR does not arm what trackers took before",
             ("dirty.c", "clear_word", "word * 64, taken | owed, batch", "word * 64, taken, batch"),
             by=PROPERTY),
    Mutation(3, "GET tells for ever what trackers took before",
             ("tracker.c", "views_told_abi",
              "\t\tmemset(&views->abi.word[run.first], 0, (run.end - run.first) * sizeof(u64));\n",
              ""), by=PROPERTY),
    Mutation(1, "the last tracker takes along what the ABI is owed",
             ("tracker.c", "views_give_up", "pageset_add_word(&slot->dirty, word, views->abi.word[word]);",
              ";"),
             by=PROPERTY),
    Mutation(1, "a tracker believes a slot clean that it could not see",
             ("tracker.c", "view_add", "pageset_init(&view.owed, slot->npages, all)",
              "pageset_init(&view.owed, slot->npages, false)"), by=PROPERTY),
    Mutation(1, "what a tracker takes is not held",
             ("tracker.c", "view_take", "\t\t\tpageset_add_word_alone(&view->held, word, owed);\n", ""), by=PROPERTY),
    Mutation(3, "a tracker is told again what it took",
             ("tracker.c", "view_take", "\t\t\tview->owed.word[word] = 0;\n", ""), by=PROPERTY),
    Mutation(1, "what is given back is lost",
             ("tracker.c", "view_settle", "\t\t\t\tpageset_add_word_alone(&view->owed, word, settled);\n", "\t\t\t\t;\n"),
             by=PROPERTY),
    Mutation(1, "pages nobody named are settled",
             ("tracker.c", "view_settle", "settled &= mask[word - range.first];", ";"), by=PROPERTY),
    Mutation(3, "what is settled stays held",
             ("tracker.c", "view_settle", "\t\t\tview->held.word[word] &= ~settled;\n", ""),
             by=PROPERTY),
    Mutation(7, "a bounded RESET gives back more",
             ("reset.c", "dirty_reset_some", "most - count", "ring->size - count"), by=PROPERTY),
    Mutation(7, "the ring's event comes late",
             ("ring.h", "ring_event_waits", "ring_used(ring) < ring->watermark",
              "ring_used(ring) <= ring->watermark")),
    Mutation(7, "the ring's event comes for ever",
             ("ring.h", "ring_take_event", "xchg(&ring->armed, false)", "true")),
    Mutation(7, "the ring's event comes once",
             ("ring.h", "ring_arm_event", "\txchg(&ring->armed, true);\n", "")),
    Mutation(12, "a mark is of other pages",
             ("dirty.c", "dirty_mark", "dirty_record(slot, first + i, ring);",
              "dirty_record(slot, i, ring);"), by=PROPERTY),
    Mutation(7, "a mark fills the ring's reserve",
             ("dirty.c", "dirty_mark", "ring && ring_is_soft_full(ring)", "false"), by=PROPERTY),
    Mutation(13, "a zap leaves what shadows made of the page",
             ("ept.c", "ept_zap", "\t\trmap_zap(mmu, slot, start, end, batch);\n", "\t\t;\n"),
             by=PROPERTY),
    Mutation(13, "a harvest arms no shadow leaf",
             ("arm.c", "ept_rearm_mask", "\t\twritten |= rmap_rearm_mask(mmu, gfn, mask, batch);\n",
              "\t\t;\n"), by=PROPERTY),
    Mutation(13, "turning logging on arms no shadow leaf",
             ("arm.c", "ept_rearm_range", "\t\twritten = rmap_rearm_range(mmu, start, end, batch);\n",
              "\t\t;\n"), by=PROPERTY),
    Mutation(13, "ageing leaves shadow leaves out",
             ("arm.c", "ept_age", "\t\tyoung |= rmap_age(mmu, start, end, clear);\n", "\t\t;\n"),
             by=PROPERTY),
    Mutation(13, "RESET of a run arms no shadow leaf",
             ("reset.c", "arm_shadowed_page",
              "\trmap_rearm_mask(run->mmu, run->first + page, 1, run->batch);\n", "")),
    Mutation(13, "a shadow leaf that goes asks for no flush",
             ("rmap.c", "zap_shadow_leaf", "\tzap->batch->flush = true;\n", "")),
    Mutation(13, "a shadow leaf that goes does not tell the host",
             ("rmap.c", "zap_shadow_leaf", "\t\tenv_page_dirty(spte_hfn(old));\n", "\t\t;\n"),
             by=PROPERTY),
    Mutation(13, "of the shadow leaves of a page one is armed",
             ("rmap.c", "rearm_chain", "for (; next", "for (; !written && next"), by=PROPERTY),
    Mutation(13, "shadow leaves are armed in the first of two tables alone",
             ("rmap.c", "rmap_rearm_mask",
              "\t\twritten |= rearm_in_table(mmu, gfn + left, mask >> left) << left;\n", ""), by=PROPERTY),
    Mutation(13, "a shadow leaf that joins a chain cuts it off",
             ("rmap.c", "rmap_join", "first ?: LINK_GFN(gfn)", "LINK_GFN(gfn)"), by=PROPERTY),
    Mutation(13, "a shadow leaf leaves its chain, and takes along what follows",
             ("rmap.c", "leave", "at == head && (next & LINK_END) ? 0 : next",
              "at == head ? 0 : LINK_GFN(0)"), by=PROPERTY),
    Mutation(13, "what was made of a large leaf outlives it",
             ("rmap.c", "mapped_pages", "EPT_LEVEL_PAGES(level) : 1", "1 : 1")),
    Mutation(13, "a zap leaves large shadow leaves",
             ("rmap.c", "rmap_zap", "\tzap_level(mmu, slot, start, end, 2, batch);\n", "")),
    Mutation(13, "CLEAR leaves large shadow leaves",
             ("rmap.c", "zap_large", "\t\tzap_chain(&zap, head);\n", "\t\t;\n")),
    Mutation(13, "turning logging on leaves large shadow leaves",
             ("rmap.c", "rmap_rearm_range", "\tzap_level(mmu, NULL, start, end, 2, batch);\n", "")),
    Mutation(13, "shadow leaves of one page are not bounded",
             ("rmap.c", "rmap_is_full", "n >= RMAP_CHAIN_MAX", "false")),
    Mutation(13, "a page becomes a shadow's root without a flush",
             ("shadow.c", "shadow_use", "\tbatch->flush = true;\n", "")),
    Mutation(13, "who gets no other shadow loses the one it had",
             ("shadow.c", "shadow_use", "\tshadow = hold(mmu->shadows, eptp, NULL);\n",
              "\tif (v->shadow)\n\t\tv->shadow->users--;\n\tv->shadow = NULL;\n"
              "\tshadow = hold(mmu->shadows, eptp, NULL);\n")),
    Mutation(13, "a shadow goes that a vCPU uses",
             ("shadow.c", "take_surplus", "!(*at)->users && ", ""), by=PROPERTY),
    Mutation(13, "INVEPT leaves the EPT with other A/D flags",
             ("shadow.c", "shadow_invept", "& EPT_ADDR_MASK", "& SHADOW_EPTP_MASK")),
    Mutation(13, "INVEPT of all EPTs is of the first",
             ("shadow.c", "shadow_invept", "\t\t\tdrop_leaves(mmu, shadow, slots, batch);\n",
              "\t\t{\n\t\t\tif (shadow == mmu->shadows->first)\n"
              "\t\t\t\tdrop_leaves(mmu, shadow, slots, batch);\n\t\t}\n"), by=PROPERTY),
    Mutation(13, "a write of L2's is not recorded",
             ("shadow_fault.c", "install",
              "\t\tdirty_record(slot, gfn - slot->base, v->ring);\n", "\t\t;\n"), by=PROPERTY),
    Mutation(13, "a read of L2's is recorded",
             ("shadow_fault.c", "install", "plan.logged && fault->l1.write &&", "plan.logged &&"),
             by=PROPERTY),
    Mutation(13, "W comes back to a shadow leaf without a record",
             ("shadow_fault.c", "restore",
              "\t\tdirty_record(slot, gfn - slot->base, v->ring);\n", "\t\t;\n"), by=PROPERTY),
    Mutation(13, "L2 may do what L1 does not allow",
             ("shadow_fault.c", "make_plan", "~EPT_RWX | fault->rights", "~0ull"), by=PROPERTY),
    Mutation(13, "W comes back where L1 forbids it",
             ("shadow_fault.c", "make_plan", "\t\tplan->spte &= ~SPTE_MMU_WRITABLE;\n",
              "\t\t;\n"), by=PROPERTY),
    Mutation(13, "L2 writes where the host forbids it",
             ("spte.h", "spte_lends", "(!write || (spte & SPTE_HOST_WRITABLE))", "true"),
             ("shadow_fault.c", "make_plan", "main & SPTE_HOST_WRITABLE", "true"), by=PROPERTY),
    Mutation(13, "a shadow leaf takes another page's place and its chain",
             ("shadow_fault.c", "upgrade", "spte_hfn(*old) != spte_hfn(spte)", "false"),
             ("shadow_fault.c", "upgrade", "rmap_gfn(sptep) != plan->gfn", "false"), by=PROPERTY),
    Mutation(13, "one page of the host is one GFN of L1's",
             ("shadow_fault.c", "upgrade", "rmap_gfn(sptep) != plan->gfn", "false")),
    Mutation(13, "a shadow maps by 2M what L1 does by 4K",
             ("shadow_fault.c", "make_plan",
              "min3(plan->level, (int)fault->level, SHADOW_LEVELS)",
              "min(plan->level, SHADOW_LEVELS)"), by=PROPERTY),
    Mutation(13, "a shadow maps by 2M what is logged",
             ("shadow_fault.c", "make_plan", "page.logged || ", "")),
    Mutation(13, "a shadow maps the first page of a large leaf for all",
             ("shadow_fault.c", "make_plan", "(spte_hfn(main) + offset)", "spte_hfn(main)"),
             by=PROPERTY),
    Mutation(13, "a large shadow leaf is split behind its chain's back",
             ("shadow.c", "shadow_vcpu_init", "\t\t.tables.no_split = true,\n", "")),
    Mutation(13, "a slot that goes still makes shadow leaves",
             ("shadow_fault.c", "try_install", "READ_ONCE(slot->dying)", "false")),
    Mutation(13, "tables of shadows are not counted",
             ("shadow_fault.c", "try_install",
              "\tatomic_long_add(had, &mmu->shadows->nr_tables);\n", "")),
    Mutation(13, "a shadow leaf is restored without the lock",
             ("shadow_fault.c", "shadow_restore",
              "\tif (!read_trylock(&v->mmu->lock))\n\t\treturn false;\n", ""),
             ("shadow_fault.c", "shadow_restore", "\tread_unlock(&v->mmu->lock);\n", "")),
    Mutation(13, "L2's write is recorded by the VM's own leaf, too",
             ("fault.c", "record_permitted", " && !fault->lend", ""), by=PROPERTY),
    Mutation(13, "what L2 touched looks as if L1 had",
             ("fault.c", "install", "\tfound.ahead = fault->lend && !spte_maps_page(old);\n", "")),
]

# L2's writes, known by D and the CPU's log.
MUTATIONS += [
    Mutation(13, "a shadow leaf takes a write along that no log will tell of",
             ("rmap.c", "zap_shadow_leaf", "\t\trecord_gone(zap, sptep, old);\n", "\t\t;\n")),
    Mutation(13, "CLEAR arms what L2 wrote and tells the others nothing",
             ("rmap.c", "rmap_rearm_mask", "mmu->logs_l2 ? written : 0", "0")),
    Mutation(13, "the log of L2's writes tells of what stands there now",
             ("shadow_fault.c", "written_gfn", "!spte_is_dirty_ad(spte)", "!spte"),
             ("shadow_fault.c", "written_gfn", "spte_is_dirty_ad(again) && ", "")),
    Mutation(13, "L2's addresses are taken for L1's",
             ("shadow_fault.c", "shadow_drain",
              "written_gfn(v->shadow, log[PML_INDEX_EMPTY - i] >> PAGE_SHIFT)",
              "log[PML_INDEX_EMPTY - i] >> PAGE_SHIFT")),
    Mutation(13, "a fault of L2's records the write that the CPU will log",
             ("shadow_fault.c", "install", " && !v->mmu->logs_l2", "")),
    Mutation(13, "L2's writes are logged where a ring is to hear of them",
             ("mmu.h", "mmu_choose_logs_l2", " && !ring", "")),
    Mutation(13, "a page beside the links is lost",
             ("ept.c", "unlink_table", "table = beside;", "table = NULL;")),
]

# The walk of the guest hypervisor's EPT.
MUTATIONS += [
    Mutation(13, "a right that an upper level takes away is there",
             ("nested/ept12.c", "ept12_translate", "path.rights &= entry;", "path.rights = entry & EPT_RWX;"),
             by=EPT12),
    Mutation(13, "a page is written and its D bit stays clear",
             ("nested/ept12.c", "set_bits", "(write && i == path->n - 1 ? EPT_D : 0)", "0"), by=EPT12),
    Mutation(13, "an access to L2's page tables is no write",
             ("nested/ept12.c", "access_of", "access |= EPT_VIOLATION_READ | EPT_VIOLATION_WRITE;", ";"),
             by=EPT12),
    Mutation(13, "a leaf whose D is clear is told as dirty",
             ("nested/ept12.c", "use_leaf", "(leaf & EPT_D) ||", "true ||"), by=EPT12),
    Mutation(13, "a reserved bit of a large leaf's address is taken",
             ("nested/ept12.c", "is_misconfigured", "offset_mask(level));", "0);"), by=EPT12),
    Mutation(13, "a leaf of a level that was not offered is taken",
             ("nested/ept12.c", "is_misconfigured", "!has_leaves(walk->cap, level) || ", ""), by=EPT12),
    Mutation(13, "a full log of L1's lets a write through",
             ("nested/ept12.c", "set_bits", "walk->log_index >= PML_ENTRIES", "false"), by=EPT12),
    Mutation(13, "an index of 512 is in L1's log",
             ("nested/ept12.c", "set_bits", ">= PML_ENTRIES", "> PML_ENTRIES"), by=EPT12),
    Mutation(13, "L1's log has an entry for each A bit",
             ("nested/ept12.c", "set_bits", "walk->logs && (missing & EPT_D)", "walk->logs"), by=EPT12),
    Mutation(13, "L1's log has an entry for a page whose D was set",
             ("nested/ept12.c", "set_bits", "(missing & EPT_D)", "(bits & EPT_D)"), by=EPT12),
    Mutation(13, "L1's log has the byte that was written",
             ("nested/ept12.c", "log_write", "l2_gpa & PAGE_MASK", "l2_gpa"), by=EPT12),
    Mutation(13, "an entry of L1's log is written over",
             ("nested/ept12.c", "log_write", "\twalk->log_index--;\n", ""), by=EPT12),
    Mutation(13, "an entry that changed has its bits set all the same",
             ("nested/ept12.c", "set_bits", "ret == -EAGAIN ? EPT12_CHANGED", "ret == -EAGAIN ? EPT12_FOUND"),
             by=EPT12),
]

# The enlightened VMCS.
MUTATIONS += [
    Mutation(0, "one clean group is enough for a field that is in several",
             ("nested/evmcs.c", "is_clean", "(clean & row->group) == row->group", "(clean & row->group)"),
             by=EVMCS),
    Mutation(0, "an exit writes what is L1's, too",
             ("nested/evmcs.c", "evmcs_from_vmcs12", "if (row->way & OUT)", "if (row->way)"), by=EVMCS),
    Mutation(0, "a guest with an enlightened VMCS is offered PML",
             ("nested/caps.c", None, "SECONDARY_EXEC_VIRTUALIZE_APIC_ACCESSES | SECONDARY_EXEC_ENABLE_PML |",
              "SECONDARY_EXEC_VIRTUALIZE_APIC_ACCESSES |"), by=CAPS),
]

# VM entry's checks, and what a guest hypervisor is offered.  That no check can be left out
# was seen with each of them; these stand for the kinds.
MUTATIONS += [
    Mutation(0, "a control that was not offered is taken",
             ("nested/caps.h", "nested_allows", " && !(controls & ~(cap >> 32))", ""), by=CHECK),
    Mutation(0, "the end of an MSR area is not looked at",
             ("nested/check.c", "is_msr_area",
              " &&\n\t       fits(gpa + (u64)count * 16 - 1, c->maxphyaddr)", ""), by=CHECK),
    Mutation(0, "a host selector may have an RPL",
             ("nested/check.c", "check_host_segments", "any & SELECTOR_RPL_TI", "any & SELECTOR_TI"),
             by=CHECK),
    Mutation(0, "secondary controls count that are switched off",
             ("nested/bits.h", "secondary_of", "has_primary(v, CPU_BASED_ACTIVATE_SECONDARY_CONTROLS)",
              "true"), by=CHECK),
    Mutation(0, "memory type 3 is one",
             ("nested/bits.h", "is_pat", "0x0202020202020202ull", "0x0002020202020202ull"), by=CHECK),
    Mutation(0, "any guest may be in real mode",
             ("nested/check_guest.c", "check_control_registers", "if (is_unrestricted(v))", "if (true)"),
             by=CHECK_GUEST),
    Mutation(0, "a segment may be larger than its granularity says",
             ("nested/check_guest.c", "is_plain", "!(s->limit >> 20)", "true"), by=CHECK_GUEST),
    Mutation(0, "an NMI is injected in the shadow of STI",
             ("nested/check_guest.c", "check_interruptibility", "if (sti) {", "if (false) {"),
             by=CHECK_GUEST),
    Mutation(0, "an entry that fails for its link pointer does not say so",
             ("nested/check_guest.c", "check_link_pointer",
              "\t*qualification = ENTRY_FAIL_VMCS_LINK_PTR;\n", ""), by=CHECK_GUEST),
    Mutation(0, "userspace adds a control",
             ("nested/caps.c", "may_set", " && !(value >> 32 & ~(offer >> 32))", ""), by=CAPS),
    Mutation(0, "a control is offered that the CPU lacks",
             ("nested/caps.c", "may_be_set", "return host >> 32;", "return ~0u;"), by=CAPS),
    Mutation(0, "VM functions are offered that would not exit",
             ("nested/caps.c", "offer_procbased2",
              "SECONDARY_EXEC_ENABLE_VMFUNC & may_be_set(host->procbased2)",
              "SECONDARY_EXEC_ENABLE_VMFUNC"), by=CAPS),
    Mutation(0, "EPTP switching is offered without its control",
             ("nested/caps.c", "offer_vmfunc",
              "may_be_set(procbased2) & SECONDARY_EXEC_ENABLE_VMFUNC", "true"), by=CAPS),
    Mutation(0, "an EPTP list may be anywhere",
             ("nested/check.c", "check_secondary", " && is_page(c, v->eptp_list_address)", ""),
             by=CHECK),
]


def replace(text, function, old, new):
    """Returns text with old replaced inside function, or None where it is not there."""
    start, end = 0, len(text)
    if function:
        head = re.search(r"^[a-z][^;{}#]*\b%s\([^;{}]*\)\n\{" % re.escape(function), text, re.M)
        if not head:
            return None
        start = head.start()
        end = text.index("\n}", start) + 2
    body = text[start:end]
    if old not in body:
        return None
    return text[:start] + body.replace(old, new) + text[end:]


class Tree:
    """A copy of what the tests are built from, and its build."""

    def __init__(self, args):
        self.args = args
        self.dir = tempfile.mkdtemp(prefix="vellum-mutate.")
        for name in ("include", "mmu", "platform", "nested", os.path.join("selftests", "unit")):
            shutil.copytree(os.path.join(TOP, name), os.path.join(self.dir, name),
                            ignore=shutil.ignore_patterns("*.o", "*.cmd", "build"))
        self.build_dir = os.path.join(self.dir, "build")

    def remove(self):
        shutil.rmtree(self.dir, ignore_errors=True)

    def build(self, programs):
        """None, or what the compiler said."""
        make = ["make", "-s", "-j%d" % self.args.jobs, "-C",
                os.path.join(self.dir, "selftests", "unit"), "WERROR="]
        if programs == [THREADS]:
            make += ["O=" + self.build_dir + "-tsan", "SANITIZE=thread", "CC=clang"]
        else:
            make += ["O=" + self.build_dir, "SANITIZE="]
        done = subprocess.run(make + [self.path(p) for p in programs], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False)
        return done.stdout if done.returncode else None

    def path(self, program):
        """Where a program is built."""
        return os.path.join(self.build_dir + ("-tsan" if program == THREADS else ""), program)

    def run(self, program, patience=PATIENCE[:1]):
        """None when it passes, else its first words on why not."""
        runs = [[]]
        if program == THREADS:
            runs = [["--seconds", str(n)] for n in patience]
        elif program == PROPERTY:
            runs = [["--ops", str(self.args.ops), "--seed", str(self.args.seed + n)]
                    for n in range(self.args.seeds)]
        return next((why for why in (self.run_once([program] + args) for args in runs) if why), None)

    def run_once(self, argv):
        """One run of a program."""
        argv = [self.path(argv[0])] + argv[1:]
        try:
            done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                  text=True, errors="replace", timeout=60, check=False)
        except subprocess.TimeoutExpired:
            return "runs for ever"
        if not done.returncode:
            return None
        for line in done.stdout.splitlines():
            if line.startswith("# ") and ("invariant" in line or ".c:" in line):
                return line[2:]
            if line.startswith("SUMMARY: "):
                return line[9:]
        return "exit status %d" % done.returncode

    def mutate(self, mutation):
        """Applies it; returns [(path, old text)], or a sentence on what does not fit."""
        undo = []
        for name, function, old, new in mutation.edits:
            path = os.path.join(self.dir, name if "/" in name else "mmu/" + name)
            with open(path, encoding="utf-8") as file:
                text = file.read()
            changed = replace(text, function, old, new)
            if changed is None:
                self.restore(undo)
                return "%s: %s() has no %r" % (name, function, old)
            undo.append((path, text))
            write(path, changed)
        return undo

    @staticmethod
    def restore(undo):
        for path, text in reversed(undo):
            write(path, text)


def write(path, text):
    """Writes a file that make takes for newer than what was built a moment ago."""
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    later = time.time() + 0.01
    os.utime(path, (later, later))


def try_mutation(tree, mutation):
    """(noticed, a sentence)."""
    undo = tree.mutate(mutation)
    if isinstance(undo, str):
        return False, "does not apply any more: " + undo
    programs = UNITS + [PROPERTY] if mutation.by == "any" else [mutation.by]
    try:
        error = tree.build(programs)
        if error:
            return False, "does not build:\n" + error
        for program in programs:
            why = tree.run(program, PATIENCE)
            if why:
                return True, "%s: %s" % (program, why)
        return False, "no test notices"
    finally:
        tree.restore(undo)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ops", type=int, default=200000,
                        help="operations of the property test in each mode (200000)")
    parser.add_argument("--seed", type=int, default=1, help="its first seed (1)")
    parser.add_argument("--seeds", type=int, default=4,
                        help="how many seeds a mutation may survive (4)")
    parser.add_argument("--jobs", type=int, default=2, help="compilers at a time (2)")
    parser.add_argument("--only", help="mutations whose sentence holds this text")
    args = parser.parse_args()
    mutations = [m for m in MUTATIONS if not args.only or args.only in m.what]

    tree = Tree(args)
    failed = number = 0
    try:
        print("TAP version 13", flush=True)
        error = tree.build(UNITS + NESTED_UNITS + [PROPERTY]) or tree.build([THREADS])
        programs = UNITS + NESTED_UNITS + [PROPERTY, THREADS]
        bad = error or next((why for why in map(tree.run, programs) if why), None)
        number = 1
        failed += bool(bad)
        for line in (bad or "").splitlines():
            print("# " + line)
        print("%sok 1 - mutate: without a mutation all tests pass" % ("not " if bad else ""),
              flush=True)
        for mutation in [] if bad else mutations:
            noticed, why = try_mutation(tree, mutation)
            number += 1
            failed += not noticed
            for line in why.splitlines():
                print("# " + line)
            held = "invariant %d, " % mutation.invariant if mutation.invariant else ""
            print("%sok %d - mutate: %s%s" % ("" if noticed else "not ", number, held, mutation.what),
                  flush=True)
    finally:
        tree.remove()
    print("1..%d" % number)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
