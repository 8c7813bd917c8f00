/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The page-modification log (SDM 3C 29.3.6): from (index, page) to records.
 * Pure.
 */
#ifndef VELLUM_MMU_PML_H
#define VELLUM_MMU_PML_H

#include "mmu/dirty.h"

#define PML_INDEX_EMPTY (PML_ENTRIES - 1)

/*
 * How many entries a PML index says are in the log: the CPU writes at the
 * index and then decrements it, from 511 down to 0 and on to 0xFFFF.
 */
static inline unsigned int pml_count(u16 index)
{
	return index >= PML_ENTRIES ? PML_ENTRIES : PML_INDEX_EMPTY - index;
}

/*
 * Records what @log holds, in the order in which the CPU wrote it: entry 511
 * first.  The caller resets the index.  The vCPU's thread; SRCU lock held for
 * @slots.  Returns the number of entries.
 */
unsigned int pml_drain(const u64 *log, u16 index, const struct slots *slots, struct ring *ring);

#endif
