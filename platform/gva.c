// SPDX-License-Identifier: GPL-2.0
/*
 * Walking the guest's paging structures (SDM 3A 4.3 to 4.5).  Permissions are
 * not looked at: the CPU has made the access already, we only follow it.
 */
#include <asm/processor-flags.h>
#include <asm/msr-index.h>

#include "platform/gva.h"

#define PTE_P	 BIT_ULL(0)
#define PTE_PS	 BIT_ULL(7)
#define PTE_ADDR GENMASK_ULL(51, 12)
#define PTE_NX	 BIT_ULL(63)

/* Reserved in a PDPTE of PAE paging: 63:52, 8:5 and 2:1. */
#define PAE_PDPTE_RESERVED (GENMASK_ULL(63, 52) | GENMASK_ULL(8, 5) | GENMASK_ULL(2, 1))
/* Of a PTE or PDE of PAE paging, beside NX. */
#define PAE_RESERVED GENMASK_ULL(62, 52)

static int read_entry(const struct gva_walk *walk, gpa_t gpa, void *entry, size_t size)
{
	return walk->read(walk->opaque, gpa, entry, size) ? -EFAULT : 0;
}

/*
 * From the table at @table, whose entries resolve the address bits from @shift
 * on, down to a page.  Shared by PAE and 4-level paging.
 */
static int walk_64(const struct gva_walk *walk, gva_t gva, gpa_t table, unsigned int shift,
		   u64 reserved, gpa_t *gpa)
{
	if (!(walk->efer & EFER_NX))
		reserved |= PTE_NX;
	for (;; shift -= 9) {
		u64 entry, offset_mask = (1ull << shift) - 1;

		if (read_entry(walk, table + (gva >> shift & 511) * 8, &entry, 8))
			return -EFAULT;
		if (!(entry & PTE_P) || (entry & reserved))
			return -EFAULT;
		if (shift > 30 && (entry & PTE_PS))
			return -EFAULT;
		if (shift == PAGE_SHIFT || (entry & PTE_PS)) {
			/* Bit 12 of a large page's entry is PAT. */
			if (shift > PAGE_SHIFT && (entry & offset_mask & GENMASK_ULL(29, 13)))
				return -EFAULT;
			*gpa = (entry & PTE_ADDR & ~offset_mask) | (gva & offset_mask);
			return 0;
		}
		table = entry & PTE_ADDR;
	}
}

static int walk_4level(const struct gva_walk *walk, gva_t gva, gpa_t *gpa)
{
	/* Canonical: bits 63:47 are equal. */
	if ((u64)((s64)(gva << 16) >> 16) != gva)
		return -EFAULT;
	return walk_64(walk, gva, walk->cr3 & PTE_ADDR, 39, 0, gpa);
}

static int walk_pae(const struct gva_walk *walk, gva_t gva, gpa_t *gpa)
{
	gpa_t table = walk->cr3 & GENMASK_ULL(31, 5);
	u64 pdpte;

	if (read_entry(walk, table + (gva >> 30 & 3) * 8, &pdpte, 8))
		return -EFAULT;
	if (!(pdpte & PTE_P) || (pdpte & PAE_PDPTE_RESERVED))
		return -EFAULT;
	return walk_64(walk, gva, pdpte & PTE_ADDR, 21, PAE_RESERVED, gpa);
}

static int walk_32(const struct gva_walk *walk, gva_t gva, gpa_t *gpa)
{
	u32 entry;

	if (read_entry(walk, (walk->cr3 & GENMASK_ULL(31, 12)) + (gva >> 22 & 1023) * 4, &entry, 4))
		return -EFAULT;
	if (!(entry & PTE_P))
		return -EFAULT;
	if ((entry & PTE_PS) && (walk->cr4 & X86_CR4_PSE)) {
		/* PSE-36: bits 20:13 are the address's bits 39:32; bit 21 is reserved. */
		if (entry & BIT(21))
			return -EFAULT;
		*gpa = (entry & GENMASK_ULL(31, 22)) | (u64)(entry >> 13 & 0xff) << 32 |
		       (gva & GENMASK_ULL(21, 0));
		return 0;
	}
	if (read_entry(walk, (entry & GENMASK_ULL(31, 12)) + (gva >> 12 & 1023) * 4, &entry, 4))
		return -EFAULT;
	if (!(entry & PTE_P))
		return -EFAULT;
	*gpa = (entry & GENMASK_ULL(31, 12)) | (gva & GENMASK_ULL(11, 0));
	return 0;
}

int gva_translate(const struct gva_walk *walk, gva_t gva, gpa_t *gpa)
{
	bool long_mode = walk->efer & EFER_LMA;

	if (!long_mode)
		gva &= GENMASK_ULL(31, 0);
	if (!(walk->cr0 & X86_CR0_PG)) {
		*gpa = gva;
		return 0;
	}
	if (!(walk->cr4 & X86_CR4_PAE))
		return long_mode ? -EFAULT : walk_32(walk, gva, gpa);
	if (!long_mode)
		return walk_pae(walk, gva, gpa);
	/* Five levels: CPUID does not offer them. */
	if (walk->cr4 & X86_CR4_LA57)
		return -EFAULT;
	return walk_4level(walk, gva, gpa);
}
