/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The architectural bits of EPT paging-structure entries and of the EPT
 * violation's exit qualification (SDM 3C 29.3.2, tables 29-1 to 29-7, and
 * table 28-7).
 */
#ifndef VELLUM_EPT_BITS_H
#define VELLUM_EPT_BITS_H

#include "env.h"

#define EPT_R	      BIT_ULL(0)
#define EPT_W	      BIT_ULL(1)
#define EPT_X	      BIT_ULL(2)
#define EPT_RWX	      (EPT_R | EPT_W | EPT_X)
#define EPT_MT_SHIFT  3
#define EPT_MT_MASK   GENMASK_ULL(5, 3)
#define EPT_MT_UC     (0ull << EPT_MT_SHIFT)
#define EPT_MT_WB     (6ull << EPT_MT_SHIFT)
#define EPT_IPAT      BIT_ULL(6) /* ignore the guest's PAT */
#define EPT_PS	      BIT_ULL(7) /* a leaf above level 1 */
#define EPT_A	      BIT_ULL(8)
#define EPT_D	      BIT_ULL(9)
#define EPT_ADDR_MASK GENMASK_ULL(51, 12)

/* Not ours to use: the CPU gives these a meaning under some control. */
#define EPT_XU	BIT_ULL(10) /* mode-based execute control */
#define EPT_VGP BIT_ULL(57) /* verify guest paging */
#define EPT_PW	BIT_ULL(58) /* paging-write */
#define EPT_SSS BIT_ULL(60) /* supervisor shadow stack */
#define EPT_SPP BIT_ULL(61) /* sub-page write permissions */
#define EPT_SVE BIT_ULL(63) /* suppress #VE */

/* The bits of a leaf that every CPU ignores (SDM 3C table 29-7). */
#define EPT_SOFT_MASK (BIT_ULL(11) | GENMASK_ULL(56, 52) | BIT_ULL(59) | BIT_ULL(62))

/* EPTP (SDM 3C 25.6.11). */
#define EPTP_MT_WB  6ull
#define EPTP_WALK_4 (3ull << 3)
#define EPTP_AD	    BIT_ULL(6)

#define EPT_LEVELS	  4
#define EPT_LEAF_LEVELS	  3 /* a leaf is at level 1 (4K), 2 (2M) or 3 (1G) */
#define EPT_TABLE_ENTRIES 512
#define EPT_LEVEL_BITS	  9
/* How many GFNs one entry of a table at @level (1 = leaf table) covers. */
#define EPT_LEVEL_PAGES(level) (BIT_ULL(EPT_LEVEL_BITS * (level)) / EPT_TABLE_ENTRIES)
#define EPT_MAX_GFN	       ((1ull << (EPT_LEVELS * EPT_LEVEL_BITS)) - 1)

/* Of a page-modification log (SDM 3C 29.3.6): a page. */
#define PML_ENTRIES 512

/* Exit qualification of an EPT violation (SDM 3C table 28-7). */
#define EPT_VIOLATION_READ	     BIT_ULL(0)
#define EPT_VIOLATION_WRITE	     BIT_ULL(1)
#define EPT_VIOLATION_FETCH	     BIT_ULL(2)
#define EPT_VIOLATION_READABLE	     BIT_ULL(3)
#define EPT_VIOLATION_WRITABLE	     BIT_ULL(4)
#define EPT_VIOLATION_EXECUTABLE     BIT_ULL(5)
#define EPT_VIOLATION_GVA_VALID	     BIT_ULL(7)
#define EPT_VIOLATION_GVA_TRANSLATED BIT_ULL(8)
#define EPT_VIOLATION_NMI_UNBLOCK    BIT_ULL(12)

#endif
