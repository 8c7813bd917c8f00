// SPDX-License-Identifier: GPL-2.0
/* The fake CPU of fake_cpu.h.  SDM 3C chapter 29.3 is what it does. */
#include "fake_cpu.h"

void cpu_init(struct fake_cpu *cpu, const struct mmu *mmu)
{
	memset(cpu, 0, sizeof(*cpu));
	cpu->root = mmu->root;
	cpu->ad = mmu->caps.ad;
	cpu->level = max_t(u8, mmu->caps.level, 1);
	cpu->generation = 1;
	cpu_log_reset(cpu);
}

void cpu_flush(struct fake_cpu *cpu)
{
	cpu->generation++;
}

void cpu_log_reset(struct fake_cpu *cpu)
{
	cpu->index = PML_INDEX_EMPTY;
	cpu->nr_logged = 0;
}

static struct tlb_entry *tlb_slot(struct fake_cpu *cpu, gfn_t gfn)
{
	return &cpu->tlb[(gfn ^ (gfn >> 12) * 7 ^ (gfn >> 24)) % TLB_ENTRIES];
}

/* The first GFN of the 2M that hold @gfn. */
static gfn_t large_gfn(gfn_t gfn)
{
	return round_down(gfn, EPT_TABLE_ENTRIES);
}

static struct tlb_entry *tlb_large_slot(struct fake_cpu *cpu, gfn_t gfn)
{
	return &cpu->large[(gfn >> EPT_LEVEL_BITS) % TLB_LARGE];
}

/* It may hold both, and use either: the one that says less first, so that a stale one shows. */
static struct tlb_entry *tlb_find(struct fake_cpu *cpu, gfn_t gfn)
{
	struct tlb_entry *small = tlb_slot(cpu, gfn), *large = tlb_large_slot(cpu, gfn);

	if (large->gfn == large_gfn(gfn) && large->generation == cpu->generation)
		return large;
	return small->gfn == gfn && small->generation == cpu->generation ? small : NULL;
}

void cpu_evict(struct fake_cpu *cpu, gfn_t gfn)
{
	struct tlb_entry *entry;

	while ((entry = tlb_find(cpu, gfn)))
		entry->generation = 0;
}

static hfn_t entry_hfn(const struct tlb_entry *entry, gfn_t gfn)
{
	return spte_hfn(entry->spte) + (gfn - entry->gfn);
}

hfn_t cpu_cached(const struct fake_cpu *cpu, gfn_t gfn)
{
	const struct tlb_entry *entry = tlb_find((struct fake_cpu *)cpu, gfn);

	return entry ? entry_hfn(entry, gfn) : 0;
}

static bool meets(const struct fake_cpu *cpu, const struct tlb_entry *entry, gfn_t first, gfn_t end,
		  u64 pages)
{
	return entry->generation == cpu->generation && entry->gfn < end &&
	       entry->gfn + pages > first;
}

gfn_t cpu_cached_in(const struct fake_cpu *cpu, gfn_t first, gfn_t end)
{
	unsigned int i;
	gfn_t gfn;

	if (end - first > TLB_ENTRIES) {
		for (i = 0; i < TLB_ENTRIES; i++)
			if (meets(cpu, &cpu->tlb[i], first, end, 1))
				return cpu->tlb[i].gfn;
		for (i = 0; i < TLB_LARGE; i++)
			if (meets(cpu, &cpu->large[i], first, end, EPT_TABLE_ENTRIES))
				return cpu->large[i].gfn;
		return GFN_NONE;
	}
	for (gfn = first; gfn < end; gfn++)
		if (cpu_cached(cpu, gfn))
			return gfn;
	return GFN_NONE;
}

/* @spte, a leaf at @level, translates @gfn. */
static void tlb_fill(struct fake_cpu *cpu, gfn_t gfn, u64 spte, int level)
{
	gfn_t first = level > 1 ? large_gfn(gfn) : gfn;
	u64 offset = first & (EPT_LEVEL_PAGES(level) - 1);

	*(level > 1 ? tlb_large_slot(cpu, gfn) : tlb_slot(cpu, gfn)) = (struct tlb_entry){
		.gfn = first,
		.generation = cpu->generation,
		.dirty = !cpu->ad || (spte & EPT_D),
		.spte = spte + (offset << PAGE_SHIFT),
	};
}

static struct psc_entry *psc_slot(struct fake_cpu *cpu, gfn_t gfn, int level)
{
	u64 key = gfn >> (level * EPT_LEVEL_BITS);

	return &cpu->psc[level][(key ^ key >> 7) % PSC_ENTRIES];
}

/* Where the walk of @gfn begins: the lowest table that is cached, else the root. */
static u64 *walk_begin(struct fake_cpu *cpu, gfn_t gfn, int *level)
{
	for (*level = 1; *level < EPT_LEVELS; ++*level) {
		struct psc_entry *psc = psc_slot(cpu, gfn, *level);

		if (psc->generation != cpu->generation ||
		    psc->key != gfn >> (*level * EPT_LEVEL_BITS))
			continue;
		if (!env_table_is_live(psc->table))
			env_die("invariant 2: a page table is freed while a CPU still caches it");
		return psc->table;
	}
	return cpu->root;
}

static void psc_fill(struct fake_cpu *cpu, gfn_t gfn, int level, u64 *table)
{
	*psc_slot(cpu, gfn, level) = (struct psc_entry){
		.key = gfn >> (level * EPT_LEVEL_BITS),
		.generation = cpu->generation,
		.table = table,
	};
}

/* A violation drops all that was cached for the address (SDM 3C 29.4.3.1). */
static void psc_evict(struct fake_cpu *cpu, gfn_t gfn)
{
	int level;

	for (level = 1; level < EPT_LEVELS; level++)
		psc_slot(cpu, gfn, level)->generation = 0;
}

/* Bits that a CPU without the features behind them takes for reserved, or acts upon. */
static void check_reserved(const struct fake_cpu *cpu, u64 entry, int level)
{
	const u64 never = EPT_XU | EPT_VGP | EPT_PW | EPT_SSS | EPT_SPP | EPT_SVE;
	bool leaf = level == 1 || entry & EPT_PS;
	u64 type = (entry & EPT_MT_MASK) >> EPT_MT_SHIFT;

	if (entry & never)
		env_die("EPT entry %#llx uses a bit that has a meaning", entry);
	if (!leaf && (entry & GENMASK_ULL(7, 3)))
		env_die("EPT table entry %#llx has reserved bits set", entry);
	if (leaf && (level > cpu->level || spte_hfn(entry) & (EPT_LEVEL_PAGES(level) - 1)))
		env_die("EPT leaf %#llx at level %d is too large, or not aligned", entry, level);
	if (leaf && (type == 2 || type == 3 || type == 7))
		env_die("EPT leaf %#llx has no valid memory type", entry);
}

static bool allows(u64 spte, enum cpu_access access)
{
	return spte & (access == CPU_WRITE ? EPT_W : access == CPU_FETCH ? EPT_X : EPT_R);
}

/* A pointer to the leaf and its level, or NULL and why not. */
static u64 *walk(struct fake_cpu *cpu, gfn_t gfn, int *at, enum cpu_result *why)
{
	int level;
	u64 *table = walk_begin(cpu, gfn, &level);

	for (; level > 1; level--) {
		unsigned int i = gfn >> ((level - 1) * EPT_LEVEL_BITS) & 511;
		u64 entry = __atomic_load_n(&table[i], __ATOMIC_ACQUIRE);

		if (!(entry & EPT_RWX)) {
			*why = CPU_VIOLATION;
			return NULL;
		}
		if (!(entry & EPT_R)) {
			*why = CPU_MISCONFIG;
			return NULL;
		}
		if (entry & EPT_PS) {
			*at = level;
			return &table[i];
		}
		check_reserved(cpu, entry, level);
		if (cpu->ad && !(entry & EPT_A))
			__atomic_fetch_or(&table[i], EPT_A, __ATOMIC_SEQ_CST);
		table = env_table_va(entry & EPT_ADDR_MASK);
		psc_fill(cpu, gfn, level - 1, table);
	}
	*at = 1;
	return &table[gfn & 511];
}

static void log_write(struct fake_cpu *cpu, gfn_t gfn)
{
	cpu->logged[cpu->nr_logged++] = gfn;
	cpu->log[cpu->index--] = gfn << PAGE_SHIFT | cpu->low_bits;
}

/* Walks, sets A and D, logs, and fills the TLB. */
static enum cpu_result walk_access(struct fake_cpu *cpu, gfn_t gfn, enum cpu_access access)
{
	bool write = access == CPU_WRITE;
	enum cpu_result why;
	int level;
	u64 *leaf = walk(cpu, gfn, &level, &why), spte, new;
	bool log;

	if (!leaf)
		return why;
	spte = __atomic_load_n(leaf, __ATOMIC_ACQUIRE);
	do {
		if (!(spte & EPT_RWX))
			return CPU_VIOLATION;
		if (!(spte & EPT_R))
			return CPU_MISCONFIG;
		if (level > 1 && !(spte & EPT_PS)) /* split meanwhile: another walk */
			return walk_access(cpu, gfn, access);
		check_reserved(cpu, spte, level);
		if (!allows(spte, access))
			return CPU_VIOLATION;
		new = cpu->ad ? spte | EPT_A | (write ? EPT_D : 0) : spte;
		log = cpu->ad && cpu->pml_on && write && !(spte & EPT_D);
		if (log && cpu->index >= PML_ENTRIES)
			return CPU_PML_FULL;
	} while (new != spte && !__atomic_compare_exchange_n(leaf, &spte, new, false,
							     __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
	if (log)
		log_write(cpu, gfn);
	tlb_fill(cpu, gfn, new, level);
	cpu->large_walks += level > 1;
	cpu->giant_walks += level > 2;
	if (cpu->on_walk)
		cpu->on_walk(cpu, gfn);
	return CPU_DONE;
}

enum cpu_result cpu_access(struct fake_cpu *cpu, gfn_t gfn, enum cpu_access access, hfn_t *hfn)
{
	struct tlb_entry *entry = tlb_find(cpu, gfn);
	enum cpu_result result;

	if (!entry || !allows(entry->spte, access) || (access == CPU_WRITE && !entry->dirty)) {
		cpu_evict(cpu, gfn);
		result = walk_access(cpu, gfn, access);
		if (result != CPU_DONE) {
			psc_evict(cpu, gfn);
			return result;
		}
		entry = tlb_find(cpu, gfn);
	}
	*hfn = entry_hfn(entry, gfn);
	return CPU_DONE;
}
