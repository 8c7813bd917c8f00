// SPDX-License-Identifier: GPL-2.0
/*
 * How large the host maps a piece of memory: a look at its page tables.
 *
 * Interrupts are off meanwhile, as in get_user_pages_fast(), whose terms these
 * are: who frees a page table waits for all CPUs to have had them on.
 */
#include <linux/mm.h>
#include <linux/pgtable.h>
#include <linux/sched.h>

#include "mmu/host.h"

static int table_level(struct mm_struct *mm, unsigned long hva)
{
	pgd_t pgd = READ_ONCE(*pgd_offset(mm, hva));
	p4d_t p4d;
	pud_t pud;
	pmd_t pmd;

	if (pgd_none(pgd))
		return 1;
	p4d = READ_ONCE(*p4d_offset(&pgd, hva));
	if (p4d_none(p4d) || !p4d_present(p4d))
		return 1;
	pud = READ_ONCE(*pud_offset(&p4d, hva));
	if (pud_none(pud) || !pud_present(pud))
		return 1;
	if (pud_leaf(pud))
		return 3;
	pmd = READ_ONCE(*pmd_offset(&pud, hva));
	if (pmd_none(pmd) || !pmd_present(pmd))
		return 1;
	return pmd_leaf(pmd) ? 2 : 1;
}

int host_mapping_level(struct mm_struct *mm, unsigned long hva)
{
	unsigned long flags;
	int level;

	local_irq_save(flags);
	level = table_level(mm, hva);
	local_irq_restore(flags);
	return level;
}
