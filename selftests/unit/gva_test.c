// SPDX-License-Identifier: GPL-2.0
/*
 * The walk of the guest's page tables, over a small guest memory whose reads
 * are counted and end at its end.
 */
#include <asm/msr-index.h>
#include <asm/processor-flags.h>

#include "platform/gva.h"
#include "tap.h"

#define MEMORY_PAGES 16

static u8 memory[MEMORY_PAGES * 4096];
static unsigned int reads;
static bool race; /* an entry changes before its bits are set */

static int read_memory(void *opaque, gpa_t gpa, void *to, size_t len)
{
	reads++;
	if (gpa >= sizeof(memory) || len > sizeof(memory) - gpa)
		return -EFAULT;
	memcpy(to, memory + gpa, len);
	return 0;
}

static void put64(gpa_t table, unsigned int index, u64 entry)
{
	memcpy(memory + table + index * 8, &entry, 8);
}

static void put32(gpa_t table, unsigned int index, u32 entry)
{
	memcpy(memory + table + index * 4, &entry, 4);
}

/* As the CPU would: only if nobody changed it. */
static int set_memory(void *opaque, const struct guest_entry *entry, u32 bits)
{
	u64 now = 0;

	if (race) {
		race = false;
		memory[entry->gpa] ^= 1 << 7;
	}
	memcpy(&now, memory + entry->gpa, entry->size);
	if (now != entry->old)
		return -EAGAIN;
	now |= bits;
	memcpy(memory + entry->gpa, &now, entry->size);
	return 0;
}

static struct gva_walk start(u64 cr0, u64 cr4, u64 efer)
{
	memset(memory, 0, sizeof(memory));
	reads = 0;
	return (struct gva_walk){
		.cr0 = cr0,
		.cr3 = 0x1000,
		.cr4 = cr4,
		.efer = efer,
		.maxphyaddr = 46,
		.read = read_memory,
	};
}

#define PAGED	  (X86_CR0_PG | X86_CR0_PE)
#define LONG_MODE (EFER_LMA | EFER_LME | EFER_NX)
#define P	  1ull
#define PS	  (1ull << 7)
#define NX	  (1ull << 63)
#define LONG_GVA  0xffff812345678abcull
/* Indices of LONG_GVA in the four tables. */
#define I4 (LONG_GVA >> 39 & 511)
#define I3 (LONG_GVA >> 30 & 511)
#define I2 (LONG_GVA >> 21 & 511)
#define I1 (LONG_GVA >> 12 & 511)

/* The answer is @want, or a page fault with @code, or no answer. */
#define CHECK_WALK(walk, gva, want) \
	do { \
		CHECK_EQ(gva_translate(walk, gva), 0); \
		CHECK_EQ((walk)->found, want); \
	} while (0)
#define CHECK_FAULT(walk, gva, code) \
	do { \
		CHECK_EQ(-gva_translate(walk, gva), EFAULT); \
		CHECK_EQ((walk)->error, code); \
	} while (0)
#define CHECK_NONE(walk, gva) CHECK_EQ(-gva_translate(walk, gva), EIO)

/* Error codes. */
#define EP GVA_PRESENT
#define ER (GVA_PRESENT | GVA_RESERVED)

TEST(no_paging)
{
	struct gva_walk walk = start(0, 0, 0);

	CHECK_WALK(&walk, 0xfee00300, 0xfee00300);
	CHECK_WALK(&walk, 0x1fee00300, 0xfee00300); /* linear addresses are 32 bits wide */
	CHECK_EQ(reads, 0);
}

static struct gva_walk four_levels(void)
{
	struct gva_walk walk = start(PAGED, X86_CR4_PAE, LONG_MODE);

	put64(0x1000, I4, 0x2000 | P);
	put64(0x2000, I3, 0x3000 | P);
	put64(0x3000, I2, 0x4000 | P);
	put64(0x4000, I1, 0x123456000 | P | NX);
	return walk;
}

TEST(four_level)
{
	struct gva_walk walk = four_levels();

	CHECK_WALK(&walk, LONG_GVA, 0x123456abc);
	CHECK_EQ(reads, 4);
	walk.cr3 |= 0x8000000000000fff; /* PCID and its no-flush bit */
	CHECK_WALK(&walk, LONG_GVA, 0x123456abc);
	CHECK_NONE(&walk, LONG_GVA & 0xffffffffffff); /* not canonical */
	CHECK_FAULT(&walk, LONG_GVA + 0x1000, 0);
	walk.cr4 |= 1 << 12; /* LA57 */
	CHECK_NONE(&walk, LONG_GVA);
}

TEST(four_level_not_present)
{
	const gpa_t table[] = { 0x1000, 0x2000, 0x3000, 0x4000 };
	const unsigned int index[] = { I4, I3, I2, I1 };

	for (int level = 0; level < 4; level++) {
		struct gva_walk walk = four_levels();

		memory[table[level] + index[level] * 8] &= ~1;
		walk.access = GVA_WRITE;
		CHECK_FAULT(&walk, LONG_GVA, GVA_WRITE);
		CHECK_EQ(reads, level + 1);
	}
}

TEST(four_level_reserved)
{
	struct gva_walk walk = four_levels();

	walk.efer &= ~EFER_NX; /* then bit 63 is reserved */
	CHECK_FAULT(&walk, LONG_GVA, ER);

	walk = four_levels();
	put64(0x1000, I4, 0x2000 | P | PS);
	CHECK_FAULT(&walk, LONG_GVA, ER);
}

TEST(large_pages)
{
	struct gva_walk walk = four_levels();

	put64(0x3000, I2, 0x140000000 | 1 << 12 | P | PS); /* with PAT */
	CHECK_WALK(&walk, LONG_GVA, 0x140000000 | (LONG_GVA & 0x1fffff));
	put64(0x3000, I2, 0x140000000 | 1 << 13 | P | PS);
	CHECK_FAULT(&walk, LONG_GVA, ER);
	put64(0x2000, I3, 0x4000000000 | P | PS);
	CHECK_WALK(&walk, LONG_GVA, 0x4000000000 | (LONG_GVA & 0x3fffffff));
	put64(0x2000, I3, 0x4000000000 | 1 << 29 | P | PS);
	CHECK_FAULT(&walk, LONG_GVA, ER);
}

TEST(unreadable_table)
{
	struct gva_walk walk = four_levels();

	put64(0x2000, I3, 0x3ffffffff000 | P);
	CHECK_NONE(&walk, LONG_GVA);
	walk.cr3 = 0xfffffffffffff000;
	CHECK_NONE(&walk, LONG_GVA);
}

TEST(pae)
{
	struct gva_walk walk = start(PAGED, X86_CR4_PAE, EFER_NX);
	const gva_t gva = 0xc0345678;

	walk.cr3 = 0x1020; /* 32-byte aligned */
	put64(0x1020, 3, 0x2000 | P);
	put64(0x2000, gva >> 21 & 511, 0x3000 | P);
	put64(0x3000, gva >> 12 & 511, 0xfedcba000 | P);
	CHECK_WALK(&walk, gva, 0xfedcba678);
	CHECK_WALK(&walk, gva | 1ull << 32, 0xfedcba678);
	CHECK_EQ(reads, 6);

	put64(0x3000, gva >> 12 & 511, 0xfedcba000 | P | 1ull << 52);
	CHECK_FAULT(&walk, gva, ER);
	put64(0x2000, gva >> 21 & 511, 0x3e00000 | P | PS);
	CHECK_WALK(&walk, gva, 0x3e00000 | (gva & 0x1fffff));
	put64(0x1020, 3, 0x2000 | P | 1 << 1); /* writable: reserved in a PDPTE */
	CHECK_FAULT(&walk, gva, ER);
}

TEST(two_level)
{
	struct gva_walk walk = start(PAGED, X86_CR4_PSE, 0);
	const gva_t gva = 0x80345678;

	put32(0x1000, gva >> 22, 0x2000 | P);
	put32(0x2000, gva >> 12 & 1023, 0xabcde000 | P);
	CHECK_WALK(&walk, gva, 0xabcde678);
	CHECK_EQ(reads, 2);

	put32(0x1000, gva >> 22, 0x12400000 | 0xab << 13 | P | PS); /* PSE-36 */
	CHECK_WALK(&walk, gva, 0xab12400000 | (gva & 0x3fffff));
	put32(0x1000, gva >> 22, 0x12400000 | 1 << 21 | P | PS);
	CHECK_FAULT(&walk, gva, ER);
	walk.cr4 = 0; /* PS means nothing */
	put32(0x1000, gva >> 22, 0x2000 | P | PS);
	CHECK_WALK(&walk, gva, 0xabcde678);
	put32(0x2000, gva >> 12 & 1023, 0xabcde000);
	CHECK_FAULT(&walk, gva, 0);
}

TEST(long_mode_without_pae)
{
	struct gva_walk walk = start(PAGED, 0, LONG_MODE);

	CHECK_NONE(&walk, 0x1000); /* no CPU can be there */
}

/* A page of four-level paging with these bits in its entry and in the three above it. */
static struct gva_walk page_with(u64 leaf, u64 above)
{
	struct gva_walk walk = four_levels();

	put64(0x1000, I4, 0x2000 | P | above);
	put64(0x2000, I3, 0x3000 | P | above);
	put64(0x3000, I2, 0x4000 | P | above);
	put64(0x4000, I1, 0x123456000 | P | leaf);
	walk.cr0 |= X86_CR0_WP;
	return walk;
}

#define W (1ull << 1)
#define U (1ull << 2)
#define A (1ull << 5)
#define D (1ull << 6)

TEST(user_pages)
{
	struct gva_walk walk = page_with(U, U);

	walk.access = GVA_USER;
	CHECK_WALK(&walk, LONG_GVA, 0x123456abc);
	walk.access = GVA_USER | GVA_WRITE;
	CHECK_FAULT(&walk, LONG_GVA, EP | GVA_USER | GVA_WRITE);
	walk = page_with(U | W, U | W);
	walk.access = GVA_USER | GVA_WRITE;
	CHECK_WALK(&walk, LONG_GVA, 0x123456abc);
	walk = page_with(U, 0); /* every level must say so */
	walk.access = GVA_USER;
	CHECK_FAULT(&walk, LONG_GVA, EP | GVA_USER);
	walk = page_with(0, U);
	walk.access = GVA_USER;
	CHECK_FAULT(&walk, LONG_GVA, EP | GVA_USER);
}

TEST(write_protection)
{
	struct gva_walk walk = page_with(0, W);

	walk.access = GVA_WRITE;
	CHECK_FAULT(&walk, LONG_GVA, EP | GVA_WRITE);
	walk.cr0 &= ~X86_CR0_WP;
	CHECK_WALK(&walk, LONG_GVA, 0x123456abc);
	walk.access = GVA_WRITE | GVA_USER; /* WP is the supervisor's */
	CHECK_FAULT(&walk, LONG_GVA, EP | GVA_WRITE | GVA_USER);
	walk = page_with(W, W);
	walk.access = GVA_WRITE;
	CHECK_WALK(&walk, LONG_GVA, 0x123456abc);
}

TEST(no_execute)
{
	struct gva_walk walk = page_with(NX, 0);

	walk.access = GVA_FETCH;
	CHECK_FAULT(&walk, LONG_GVA, EP | GVA_FETCH);
	walk = page_with(0, NX);
	walk.access = GVA_FETCH;
	CHECK_FAULT(&walk, LONG_GVA, EP | GVA_FETCH);
	walk.access = 0;
	CHECK_WALK(&walk, LONG_GVA, 0x123456abc);
	walk = page_with(0, 0);
	walk.access = GVA_FETCH;
	CHECK_WALK(&walk, LONG_GVA, 0x123456abc);
	walk.efer &= ~EFER_NX; /* a fetch is told only where it could be forbidden */
	CHECK_FAULT(&walk, LONG_GVA + 0x1000, 0);
	walk.cr4 |= X86_CR4_SMEP;
	CHECK_FAULT(&walk, LONG_GVA + 0x1000, GVA_FETCH);
}

TEST(supervisor_and_user_pages)
{
	struct gva_walk walk = page_with(U | W, U | W);

	walk.access = GVA_FETCH;
	CHECK_WALK(&walk, LONG_GVA, 0x123456abc);
	walk.cr4 |= X86_CR4_SMEP;
	CHECK_FAULT(&walk, LONG_GVA, EP | GVA_FETCH);
	walk.access = GVA_FETCH | GVA_USER;
	CHECK_WALK(&walk, LONG_GVA, 0x123456abc);

	walk.access = GVA_WRITE;
	CHECK_WALK(&walk, LONG_GVA, 0x123456abc);
	walk.cr4 |= X86_CR4_SMAP;
	CHECK_FAULT(&walk, LONG_GVA, EP | GVA_WRITE);
	walk.access = 0;
	CHECK_FAULT(&walk, LONG_GVA, EP);
	walk.ac = true;
	CHECK_WALK(&walk, LONG_GVA, 0x123456abc);
	walk.ac = false;
	walk.access = GVA_USER;
	CHECK_WALK(&walk, LONG_GVA, 0x123456abc);
}

TEST(address_bits_beyond_the_cpus)
{
	struct gva_walk walk = page_with(1ull << 46, 0);

	CHECK_FAULT(&walk, LONG_GVA, ER);
	walk.access = GVA_WRITE | GVA_USER;
	CHECK_FAULT(&walk, LONG_GVA, ER | GVA_WRITE | GVA_USER);
	walk.access = 0;
	walk.maxphyaddr = 47;
	CHECK_WALK(&walk, LONG_GVA, 0x400123456abc);
	walk.maxphyaddr = 52;
	put64(0x4000, I1, 0x8000123456000 | P);
	CHECK_WALK(&walk, LONG_GVA, 0x8000123456abc);
}

static u64 entry_of(gpa_t table, unsigned int index)
{
	u64 entry;

	memcpy(&entry, memory + table + index * 8, 8);
	return entry;
}

TEST(accessed_and_dirty)
{
	struct gva_walk walk = page_with(W, W);

	CHECK_WALK(&walk, LONG_GVA, 0x123456abc);
	CHECK_EQ(entry_of(0x1000, I4) & (A | D), 0); /* nobody asked for them */
	walk.set = set_memory;
	CHECK_WALK(&walk, LONG_GVA, 0x123456abc);
	CHECK_EQ(entry_of(0x1000, I4) & (A | D), A);
	CHECK_EQ(entry_of(0x2000, I3) & (A | D), A);
	CHECK_EQ(entry_of(0x3000, I2) & (A | D), A);
	CHECK_EQ(entry_of(0x4000, I1) & (A | D), A);
	walk.access = GVA_WRITE;
	CHECK_WALK(&walk, LONG_GVA, 0x123456abc);
	CHECK_EQ(entry_of(0x3000, I2) & (A | D), A);
	CHECK_EQ(entry_of(0x4000, I1) & (A | D), A | D);
}

TEST(a_refused_access_sets_nothing)
{
	struct gva_walk walk = page_with(0, W);

	walk.set = set_memory;
	walk.access = GVA_WRITE;
	CHECK_FAULT(&walk, LONG_GVA, EP | GVA_WRITE);
	CHECK_EQ(entry_of(0x1000, I4) & A, 0);
	CHECK_EQ(entry_of(0x4000, I1) & (A | D), 0);
}

TEST(an_entry_that_changes)
{
	struct gva_walk walk = page_with(W, W);

	walk.set = set_memory;
	race = true;
	CHECK_EQ(-gva_translate(&walk, LONG_GVA), EAGAIN);
	CHECK_EQ(entry_of(0x1000, I4) & A, 0);
}
