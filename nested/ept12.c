// SPDX-License-Identifier: GPL-2.0
/*
 * Walking the guest hypervisor's EPT.  An entry is judged when it is read: not
 * present, misconfigured, or good (SDM 3C 29.3.3.3); the rights of all of them
 * when the leaf is found, and only then are A and D bits set, and the write logged.
 */
#include "nested/ept12.h"
#include "vmcs_fields.h"

/* Four levels resolve 48 bits. */
#define GPA_BITS 48

#define EPTP_MT_MASK  GENMASK_ULL(2, 0)
#define EPTP_RESERVED GENMASK_ULL(11, 7)

/* The entries on the way to a page. */
struct ept12_path {
	struct guest_entry entry[EPT_LEVELS];
	unsigned int n;
	u64 rights; /* of all */
};

/* Address bits that this L1's CPU does not have. */
static u64 reserved_address(u8 maxphyaddr)
{
	return maxphyaddr < 52 ? GENMASK_ULL(51, maxphyaddr) : 0;
}

bool ept12_eptp_is_valid(u64 eptp, u64 cap, u8 maxphyaddr)
{
	u64 type = eptp & EPTP_MT_MASK;

	if (!(type == EPTP_MT_WB && (cap & VMX_EPTP_WB_BIT)) &&
	    !(type == VMX_EPTP_MT_UC && (cap & VMX_EPTP_UC_BIT)))
		return false;
	if ((eptp & VMX_EPTP_PWL_MASK) != EPTP_WALK_4 || !(cap & VMX_EPT_PAGE_WALK_4_BIT))
		return false;
	if ((eptp & EPTP_AD) && !(cap & VMX_EPT_AD_BIT))
		return false;
	return !(eptp & (EPTP_RESERVED | GENMASK_ULL(63, 52) | reserved_address(maxphyaddr)));
}

/* Is the entry at @level the last one?  Bit 7 of an entry of level 1 means nothing. */
static bool is_leaf(u64 entry, int level)
{
	return level == 1 || (entry & EPT_PS);
}

/* May a leaf be here? */
static bool has_leaves(u64 cap, int level)
{
	return level == 1 || (level == 2 && (cap & VMX_EPT_2MB_PAGE_BIT)) ||
	       (level == 3 && (cap & VMX_EPT_1GB_PAGE_BIT));
}

/* Bits below the address of a leaf's page, which its entry has in its address. */
static u64 offset_mask(int level)
{
	return EPT_LEVEL_PAGES(level) * PAGE_SIZE - 1;
}

/* Memory types 2, 3 and 7 are none (SDM 3A 12.3). */
static bool is_memory_type(u64 entry)
{
	u64 type = (entry & EPT_MT_MASK) >> EPT_MT_SHIFT;

	return type != 2 && type != 3 && type != 7;
}

/* A present entry that no hypervisor may make: SDM 3C 29.3.3.1. */
static bool is_misconfigured(const struct ept12_walk *walk, u64 entry, int level)
{
	if (!(entry & EPT_R) && ((entry & EPT_W) || !(walk->cap & VMX_EPT_EXECUTE_ONLY_BIT)))
		return true;
	if (entry & reserved_address(walk->maxphyaddr))
		return true;
	if (!is_leaf(entry, level))
		return entry & (EPT_MT_MASK | EPT_IPAT);
	return !has_leaves(walk->cap, level) || !is_memory_type(entry) ||
	       (entry & EPT_ADDR_MASK & offset_mask(level));
}

/* The access as the CPU takes it: one to L2's page tables is a write where A/D is on (29.3.5). */
static u64 access_of(const struct ept12_walk *walk)
{
	u64 access = walk->access & EPT12_ACCESS;

	if ((walk->eptp & EPTP_AD) && (access & EPT_VIOLATION_GVA_VALID) &&
	    !(access & EPT_VIOLATION_GVA_TRANSLATED))
		access |= EPT_VIOLATION_READ | EPT_VIOLATION_WRITE;
	return access;
}

static enum ept12_outcome violation(struct ept12_walk *walk, u64 rights)
{
	BUILD_BUG_ON(EPT_RWX << 3 !=
		     (EPT_VIOLATION_READABLE | EPT_VIOLATION_WRITABLE | EPT_VIOLATION_EXECUTABLE));
	walk->qualification = access_of(walk) | rights << 3;
	return EPT12_VIOLATION;
}

static bool is_allowed(u64 access, u64 rights)
{
	BUILD_BUG_ON(EPT_VIOLATION_READ != EPT_R || EPT_VIOLATION_WRITE != EPT_W ||
		     EPT_VIOLATION_FETCH != EPT_X);
	return !(access & EPT_RWX & ~rights);
}

/* What the CPU logs: which page, and that there is one more (SDM 3C 29.3.6). */
static void log_write(struct ept12_walk *walk, gpa_t l2_gpa)
{
	walk->log(walk->opaque, walk->log_index, l2_gpa & PAGE_MASK);
	walk->log_index--;
}

/*
 * A in every entry, and D in the leaf that is written through (SDM 3C 29.3.5).  Where
 * one of them is to be set and the log is full, none is, nor is the access made.
 */
static enum ept12_outcome set_bits(struct ept12_walk *walk, const struct ept12_path *path,
				   gpa_t l2_gpa)
{
	bool write = access_of(walk) & EPT_VIOLATION_WRITE;
	unsigned int i;

	if (!(walk->eptp & EPTP_AD) || !walk->set)
		return EPT12_FOUND;
	for (i = 0; i < path->n; i++) {
		u64 bits = EPT_A | (write && i == path->n - 1 ? EPT_D : 0);
		u64 missing = bits & ~path->entry[i].old;
		int ret;

		if (!missing)
			continue;
		if (walk->logs && walk->log_index >= PML_ENTRIES)
			return EPT12_LOG_FULL;
		ret = walk->set(walk->opaque, &path->entry[i], bits);
		if (ret)
			return ret == -EAGAIN ? EPT12_CHANGED : EPT12_NO_TABLE;
		if (walk->logs && (missing & EPT_D))
			log_write(walk, l2_gpa);
	}
	return EPT12_FOUND;
}

static enum ept12_outcome use_leaf(struct ept12_walk *walk, const struct ept12_path *path,
				   gpa_t l2_gpa)
{
	u64 leaf = path->entry[path->n - 1].old, access = access_of(walk);
	int level = EPT_LEVELS + 1 - path->n;

	if (!is_allowed(access, path->rights))
		return violation(walk, path->rights);
	walk->found = (leaf & EPT_ADDR_MASK) | (l2_gpa & offset_mask(level));
	walk->level = level;
	walk->rights = path->rights;
	walk->memory = leaf & (EPT_MT_MASK | EPT_IPAT);
	walk->dirty = !(walk->eptp & EPTP_AD) || (leaf & EPT_D) ||
		      (walk->set && (access & EPT_VIOLATION_WRITE));
	return set_bits(walk, path, l2_gpa);
}

enum ept12_outcome ept12_translate(struct ept12_walk *walk, gpa_t l2_gpa)
{
	struct ept12_path path = { .rights = EPT_RWX };
	gpa_t table = walk->eptp & EPT_ADDR_MASK;
	int level;

	if (l2_gpa >> GPA_BITS)
		return violation(walk, 0);
	for (level = EPT_LEVELS;; level--) {
		gpa_t gpa = table + (l2_gpa >> (PAGE_SHIFT + EPT_LEVEL_BITS * (level - 1)) &
				     (EPT_TABLE_ENTRIES - 1)) *
					    sizeof(u64);
		u64 entry = 0;

		if (walk->read(walk->opaque, gpa, &entry))
			return EPT12_NO_TABLE;
		path.rights &= entry;
		if (!(entry & EPT_RWX))
			return violation(walk, 0);
		if (is_misconfigured(walk, entry, level))
			return EPT12_MISCONFIG;
		path.entry[path.n++] = (struct guest_entry){ .gpa = gpa, .old = entry, .size = 8 };
		if (is_leaf(entry, level))
			return use_leaf(walk, &path, l2_gpa);
		table = entry & EPT_ADDR_MASK;
	}
}
