// SPDX-License-Identifier: GPL-2.0
/*
 * Walking the guest's paging structures (SDM 3A 4.3 to 4.8).  An entry is
 * judged when it is read, the permissions of all of them when the page is
 * found, and only then are accessed and dirty bits set.
 */
#include <asm/processor-flags.h>
#include <asm/msr-index.h>

#include "platform/gva.h"

#define PTE_P	 BIT_ULL(0)
#define PTE_W	 BIT_ULL(1)
#define PTE_U	 BIT_ULL(2)
#define PTE_A	 BIT_ULL(5)
#define PTE_D	 BIT_ULL(6)
#define PTE_PS	 BIT_ULL(7)
#define PTE_ADDR GENMASK_ULL(51, 12)
#define PTE_NX	 BIT_ULL(63)

#define LEVELS_MAX 4

/* Reserved in a PDPTE of PAE paging: 63:52, 8:5 and 2:1. */
#define PAE_PDPTE_RESERVED (GENMASK_ULL(63, 52) | GENMASK_ULL(8, 5) | GENMASK_ULL(2, 1))
/* Of a PTE or PDE of PAE paging, beside NX. */
#define PAE_RESERVED GENMASK_ULL(62, 52)

/* The entries on the way to a page, so that their A and D bits can be set. */
struct gva_path {
	struct guest_entry entry[LEVELS_MAX];
	unsigned int n;
	u32 size;  /* of an entry */
	u64 every; /* the bits that all entries have: U, W */
	u64 any;   /* those that one has: NX */
};

/* What of the access a fault's error code repeats. */
static int fault(struct gva_walk *walk, u32 why)
{
	/* Fetches are told apart only where they can be forbidden. */
	bool fetch_told =
		(walk->efer & EFER_NX && walk->cr4 & X86_CR4_PAE) || walk->cr4 & X86_CR4_SMEP;

	walk->error = why | (walk->access & (GVA_WRITE | GVA_USER));
	if (fetch_told)
		walk->error |= walk->access & GVA_FETCH;
	return -EFAULT;
}

/* Bits of a 64-bit entry that no guest may set, of those that hold an address. */
static u64 reserved_address(const struct gva_walk *walk)
{
	return walk->maxphyaddr < 52 ? GENMASK_ULL(51, walk->maxphyaddr) : 0;
}

/* The next entry on the path.  0, -EFAULT, -EIO. */
static int read_entry(struct gva_walk *walk, struct gva_path *path, gpa_t gpa, u64 reserved)
{
	u64 entry = 0;

	if (walk->read(walk->opaque, gpa, &entry, path->size))
		return -EIO;
	if (!(entry & PTE_P))
		return fault(walk, 0);
	if (entry & reserved)
		return fault(walk, GVA_PRESENT | GVA_RESERVED);
	path->entry[path->n++] =
		(struct guest_entry){ .gpa = gpa, .old = entry, .size = path->size };
	path->every &= entry;
	path->any |= entry;
	return 0;
}

static u64 last_entry(const struct gva_path *path)
{
	return path->entry[path->n - 1].old;
}

/* May the access be made?  SDM 3A 4.6.1. */
static bool is_allowed(const struct gva_walk *walk, const struct gva_path *path)
{
	bool user_page = path->every & PTE_U, user = walk->access & GVA_USER;

	if (user && !user_page)
		return false;
	if (walk->access & GVA_FETCH) {
		if ((walk->efer & EFER_NX) && (path->any & PTE_NX))
			return false;
		return user || !user_page || !(walk->cr4 & X86_CR4_SMEP);
	}
	if (!user && user_page && (walk->cr4 & X86_CR4_SMAP) && !walk->ac)
		return false;
	if ((walk->access & GVA_WRITE) && !(path->every & PTE_W))
		return !user && !(walk->cr0 & X86_CR0_WP);
	return true;
}

/* Permissions, then accessed and dirty bits (SDM 3A 4.8). */
static int use_path(struct gva_walk *walk, const struct gva_path *path)
{
	unsigned int i;
	int ret = 0;

	if (!is_allowed(walk, path))
		return fault(walk, GVA_PRESENT);
	for (i = 0; walk->set && !ret && i < path->n; i++) {
		bool dirty = i == path->n - 1 && (walk->access & GVA_WRITE);
		u32 bits = PTE_A | (dirty ? PTE_D : 0);

		if ((path->entry[i].old & bits) != bits)
			ret = walk->set(walk->opaque, &path->entry[i], bits);
	}
	return ret == -EAGAIN || !ret ? ret : -EIO;
}

/*
 * From the table at @table, whose entries resolve the address bits from @shift
 * on, down to a page.  Shared by PAE and 4-level paging.
 */
static int walk_64(struct gva_walk *walk, gva_t gva, gpa_t table, unsigned int shift, u64 reserved)
{
	struct gva_path path = { .size = 8, .every = ~0ull };
	gpa_t page;
	u64 entry;
	int ret;

	reserved |= reserved_address(walk);
	if (!(walk->efer & EFER_NX))
		reserved |= PTE_NX;
	for (;; shift -= 9) {
		/* There are no pages of 512 GiB: PS is reserved there. */
		ret = read_entry(walk, &path, table + (gva >> shift & 511) * 8,
				 reserved | (shift > 30 ? PTE_PS : 0));
		if (ret)
			return ret;
		entry = last_entry(&path);
		if (shift == PAGE_SHIFT || (entry & PTE_PS))
			break;
		table = entry & PTE_ADDR;
	}
	page = entry & PTE_ADDR & ~((1ull << shift) - 1);
	/* Bit 12 of a large page's entry is PAT, the others below the page are reserved. */
	if (shift > PAGE_SHIFT && (entry & PTE_ADDR & ~page & ~BIT_ULL(12)))
		return fault(walk, GVA_PRESENT | GVA_RESERVED);
	ret = use_path(walk, &path);
	walk->found = page | (gva & ((1ull << shift) - 1));
	return ret;
}

static int walk_pae(struct gva_walk *walk, gva_t gva)
{
	/* The CPU keeps PDPTEs in registers: they have no permissions and no A bit. */
	struct gva_path path = { .size = 8 };
	int ret = read_entry(walk, &path, (walk->cr3 & GENMASK_ULL(31, 5)) + (gva >> 30 & 3) * 8,
			     PAE_PDPTE_RESERVED | reserved_address(walk));

	return ret ?: walk_64(walk, gva, last_entry(&path) & PTE_ADDR, 21, PAE_RESERVED);
}

static int walk_32(struct gva_walk *walk, gva_t gva)
{
	struct gva_path path = { .size = 4, .every = ~0ull };
	u64 entry;
	int ret;

	ret = read_entry(walk, &path, (walk->cr3 & GENMASK_ULL(31, 12)) + (gva >> 22 & 1023) * 4,
			 0);
	if (ret)
		return ret;
	entry = last_entry(&path);
	if ((entry & PTE_PS) && (walk->cr4 & X86_CR4_PSE)) {
		/* PSE-36: bits 20:13 are the address's bits 39:32; bit 21 is reserved. */
		walk->found = (entry & GENMASK_ULL(31, 22)) | (entry >> 13 & 0xff) << 32 |
			      (gva & GENMASK_ULL(21, 0));
		if ((entry & BIT(21)) || (walk->found & reserved_address(walk)))
			return fault(walk, GVA_PRESENT | GVA_RESERVED);
		return use_path(walk, &path);
	}
	ret = read_entry(walk, &path, (entry & GENMASK_ULL(31, 12)) + (gva >> 12 & 1023) * 4, 0);
	if (ret)
		return ret;
	walk->found = (last_entry(&path) & GENMASK_ULL(31, 12)) | (gva & GENMASK_ULL(11, 0));
	return use_path(walk, &path);
}

int gva_translate(struct gva_walk *walk, gva_t gva)
{
	bool long_mode = walk->efer & EFER_LMA, pae = walk->cr4 & X86_CR4_PAE;

	walk->error = 0;
	if (!long_mode)
		gva &= GENMASK_ULL(31, 0);
	if (!(walk->cr0 & X86_CR0_PG)) {
		walk->found = gva;
		return 0;
	}
	/* Five levels: CPUID does not offer them. */
	if (long_mode && (!pae || (walk->cr4 & X86_CR4_LA57) || !gva_is_canonical(gva)))
		return -EIO;
	if (long_mode)
		return walk_64(walk, gva, walk->cr3 & PTE_ADDR, 39, 0);
	return pae ? walk_pae(walk, gva) : walk_32(walk, gva);
}
