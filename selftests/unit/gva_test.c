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

static struct gva_walk start(u64 cr0, u64 cr4, u64 efer)
{
	memset(memory, 0, sizeof(memory));
	reads = 0;
	return (struct gva_walk){
		.cr0 = cr0, .cr3 = 0x1000, .cr4 = cr4, .efer = efer, .read = read_memory,
	};
}

#define PAGED		(X86_CR0_PG | X86_CR0_PE)
#define LONG_MODE	(EFER_LMA | EFER_LME | EFER_NX)
#define P		1ull
#define PS		(1ull << 7)
#define NX		(1ull << 63)
#define LONG_GVA	0xffff812345678abcull
/* Indices of LONG_GVA in the four tables. */
#define I4		(LONG_GVA >> 39 & 511)
#define I3		(LONG_GVA >> 30 & 511)
#define I2		(LONG_GVA >> 21 & 511)
#define I1		(LONG_GVA >> 12 & 511)

/* The answer is @want, or a fault when @want is ~0. */
#define CHECK_WALK(walk, gva, want)                                              \
	do {                                                                     \
		gpa_t walked = ~0ull;                                            \
		int walk_ret = gva_translate(walk, gva, &walked);                \
		CHECK_EQ(walk_ret ? ~0ull : walked, want);                       \
		CHECK(!walk_ret || walk_ret == -EFAULT);                         \
	} while (0)
#define FAULT ~0ull

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
	CHECK_WALK(&walk, LONG_GVA & 0xffffffffffff, FAULT); /* not canonical */
	CHECK_WALK(&walk, LONG_GVA + 0x1000, FAULT);
	walk.cr4 |= 1 << 12; /* LA57 */
	CHECK_WALK(&walk, LONG_GVA, FAULT);
}

TEST(four_level_not_present)
{
	const gpa_t table[] = { 0x1000, 0x2000, 0x3000, 0x4000 };
	const unsigned int index[] = { I4, I3, I2, I1 };

	for (int level = 0; level < 4; level++) {
		struct gva_walk walk = four_levels();

		memory[table[level] + index[level] * 8] &= ~1;
		CHECK_WALK(&walk, LONG_GVA, FAULT);
		CHECK_EQ(reads, level + 1);
	}
}

TEST(four_level_reserved)
{
	struct gva_walk walk = four_levels();

	walk.efer &= ~EFER_NX; /* then bit 63 is reserved */
	CHECK_WALK(&walk, LONG_GVA, FAULT);

	walk = four_levels();
	put64(0x1000, I4, 0x2000 | P | PS);
	CHECK_WALK(&walk, LONG_GVA, FAULT);
}

TEST(large_pages)
{
	struct gva_walk walk = four_levels();

	put64(0x3000, I2, 0x140000000 | 1 << 12 | P | PS); /* with PAT */
	CHECK_WALK(&walk, LONG_GVA, 0x140000000 | (LONG_GVA & 0x1fffff));
	put64(0x3000, I2, 0x140000000 | 1 << 13 | P | PS);
	CHECK_WALK(&walk, LONG_GVA, FAULT);
	put64(0x2000, I3, 0x4000000000 | P | PS);
	CHECK_WALK(&walk, LONG_GVA, 0x4000000000 | (LONG_GVA & 0x3fffffff));
	put64(0x2000, I3, 0x4000000000 | 1 << 29 | P | PS);
	CHECK_WALK(&walk, LONG_GVA, FAULT);
}

TEST(unreadable_table)
{
	struct gva_walk walk = four_levels();

	put64(0x2000, I3, 0xffffffffff000 | P);
	CHECK_WALK(&walk, LONG_GVA, FAULT);
	walk.cr3 = 0xfffffffffffff000;
	CHECK_WALK(&walk, LONG_GVA, FAULT);
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
	CHECK_WALK(&walk, gva, FAULT);
	put64(0x2000, gva >> 21 & 511, 0x3e00000 | P | PS);
	CHECK_WALK(&walk, gva, 0x3e00000 | (gva & 0x1fffff));
	put64(0x1020, 3, 0x2000 | P | 1 << 1); /* writable: reserved in a PDPTE */
	CHECK_WALK(&walk, gva, FAULT);
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
	CHECK_WALK(&walk, gva, FAULT);
	walk.cr4 = 0; /* PS means nothing */
	put32(0x1000, gva >> 22, 0x2000 | P | PS);
	CHECK_WALK(&walk, gva, 0xabcde678);
	put32(0x2000, gva >> 12 & 1023, 0xabcde000);
	CHECK_WALK(&walk, gva, FAULT);
}

TEST(long_mode_without_pae)
{
	struct gva_walk walk = start(PAGED, 0, LONG_MODE);

	CHECK_WALK(&walk, 0x1000, FAULT); /* no CPU can be there */
}
