// SPDX-License-Identifier: GPL-2.0
/* The fake CPU of fake_cpu.h.  SDM 3C chapter 29.3 is what it does. */
#include "fake_cpu.h"

void cpu_init(struct fake_cpu *cpu, const struct mmu *mmu)
{
	memset(cpu, 0, sizeof(*cpu));
	cpu->root = mmu->root;
	cpu->ad = mmu->caps.ad;
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

static struct tlb_entry *tlb_find(struct fake_cpu *cpu, gfn_t gfn)
{
	struct tlb_entry *entry = tlb_slot(cpu, gfn);

	return entry->gfn == gfn && entry->generation == cpu->generation ? entry : NULL;
}

void cpu_evict(struct fake_cpu *cpu, gfn_t gfn)
{
	struct tlb_entry *entry = tlb_find(cpu, gfn);

	if (entry)
		entry->generation = 0;
}

hfn_t cpu_cached(const struct fake_cpu *cpu, gfn_t gfn)
{
	const struct tlb_entry *entry = tlb_find((struct fake_cpu *)cpu, gfn);

	return entry ? spte_hfn(entry->spte) : 0;
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
static void check_reserved(u64 entry, int level)
{
	const u64 never = EPT_XU | EPT_VGP | EPT_PW | EPT_SSS | EPT_SPP | EPT_SVE;
	u64 type = (entry & EPT_MT_MASK) >> EPT_MT_SHIFT;

	if (entry & never)
		env_die("EPT entry %#llx uses a bit that has a meaning", entry);
	if (level > 1 && (entry & GENMASK_ULL(7, 3)))
		env_die("EPT table entry %#llx has reserved bits set", entry);
	if (level == 1 && (type == 2 || type == 3 || type == 7))
		env_die("EPT leaf %#llx has no valid memory type", entry);
}

static bool allows(u64 spte, enum cpu_access access)
{
	return spte & (access == CPU_WRITE ? EPT_W : access == CPU_FETCH ? EPT_X : EPT_R);
}

/* A pointer to the leaf, or NULL and why not. */
static u64 *walk(struct fake_cpu *cpu, gfn_t gfn, enum cpu_result *why)
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
		check_reserved(entry, level);
		if (cpu->ad && !(entry & EPT_A))
			__atomic_fetch_or(&table[i], EPT_A, __ATOMIC_SEQ_CST);
		table = env_table_va(entry & EPT_ADDR_MASK);
		psc_fill(cpu, gfn, level - 1, table);
	}
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
	u64 *leaf = walk(cpu, gfn, &why), spte, new;
	bool log;

	if (!leaf)
		return why;
	spte = __atomic_load_n(leaf, __ATOMIC_ACQUIRE);
	do {
		if (!(spte & EPT_RWX))
			return CPU_VIOLATION;
		if (!(spte & EPT_R))
			return CPU_MISCONFIG;
		check_reserved(spte, 1);
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
	*tlb_slot(cpu, gfn) = (struct tlb_entry){
		.gfn = gfn,
		.generation = cpu->generation,
		.dirty = !cpu->ad || (new &EPT_D),
		.spte = new,
	};
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
	*hfn = spte_hfn(entry->spte);
	return CPU_DONE;
}
