// SPDX-License-Identifier: GPL-2.0
/*
 * The walk of the guest hypervisor's EPT, over a small memory whose reads are
 * counted and end at its end.
 */
#include "nested/ept12.h"
#include "vmcs_fields.h"
#include "tap.h"

#define MEMORY_PAGES 8

static u64 memory[MEMORY_PAGES * 512];
static unsigned int reads;
static bool race; /* an entry changes before its bits are set */

static int read_memory(void *opaque, gpa_t gpa, u64 *entry)
{
	reads++;
	CHECK(gpa % 8 == 0);
	if (gpa / 8 >= ARRAY_SIZE(memory))
		return -EFAULT;
	*entry = memory[gpa / 8];
	return 0;
}

/* As the CPU would: only if nobody changed it. */
static int set_memory(void *opaque, const struct guest_entry *entry, u32 bits)
{
	CHECK_EQ(entry->size, 8);
	if (race) {
		race = false;
		memory[entry->gpa / 8] ^= EPT_IPAT;
	}
	if (memory[entry->gpa / 8] != entry->old)
		return -EAGAIN;
	memory[entry->gpa / 8] |= bits;
	return 0;
}

/* What was logged last, and in what state its leaf was then. */
static struct {
	unsigned int count;
	u16 index;
	gpa_t gpa;
	u64 leaf;
} logged;

static u64 *entry_at(int level);

static void log_memory(void *opaque, u16 index, gpa_t gpa)
{
	logged.count++;
	logged.index = index;
	logged.gpa = gpa;
	logged.leaf = *entry_at(1);
}

#define ALL_CAPS \
	(VMX_EPT_EXECUTE_ONLY_BIT | VMX_EPT_PAGE_WALK_4_BIT | VMX_EPTP_UC_BIT | VMX_EPTP_WB_BIT | \
	 VMX_EPT_2MB_PAGE_BIT | VMX_EPT_1GB_PAGE_BIT | VMX_EPT_AD_BIT)
#define EPTP   (0x1000 | EPTP_WALK_4 | EPTP_MT_WB)
#define L2_GPA 0x812345678abcull
#define READ   EPT_VIOLATION_READ
#define WRITE  EPT_VIOLATION_WRITE
#define FETCH  EPT_VIOLATION_FETCH
#define LINEAR (EPT_VIOLATION_GVA_VALID | EPT_VIOLATION_GVA_TRANSLATED)
#define TABLES EPT_VIOLATION_GVA_VALID /* an access to L2's own page tables */

/* The entry for L2_GPA in the table of @level, which stands in the page 5 - @level. */
static u64 *entry_at(int level)
{
	return &memory[(5 - level) * 512 + (L2_GPA >> (12 + 9 * (level - 1)) & 511)];
}

/* A page of four levels, all of it allowed. */
static struct ept12_walk start(void)
{
	memset(memory, 0, sizeof(memory));
	memset(&logged, 0, sizeof(logged));
	reads = 0;
	*entry_at(4) = 0x2000 | EPT_RWX;
	*entry_at(3) = 0x3000 | EPT_RWX;
	*entry_at(2) = 0x4000 | EPT_RWX;
	*entry_at(1) = 0x123456000 | EPT_RWX | EPT_MT_WB;
	return (struct ept12_walk){
		.eptp = EPTP,
		.cap = ALL_CAPS,
		.maxphyaddr = 46,
		.access = READ,
		.read = read_memory,
		.set = set_memory,
		.log = log_memory,
	};
}

static enum ept12_outcome walk_with(struct ept12_walk *walk, u64 access)
{
	reads = 0;
	walk->access = access;
	return ept12_translate(walk, L2_GPA);
}

#define CHECK_FOUND(walk, access, want) \
	do { \
		CHECK_EQ(walk_with(walk, access), EPT12_FOUND); \
		CHECK_EQ((walk)->found, want); \
	} while (0)
#define CHECK_VIOLATION(walk, access, want) \
	do { \
		CHECK_EQ(walk_with(walk, access), EPT12_VIOLATION); \
		CHECK_EQ((walk)->qualification, want); \
	} while (0)
#define CHECK_MISCONFIG(walk) CHECK_EQ(walk_with(walk, READ), EPT12_MISCONFIG)

TEST(four_levels)
{
	struct ept12_walk walk = start();

	CHECK_FOUND(&walk, READ, 0x123456abc);
	CHECK_EQ(reads, 4);
	CHECK_EQ(walk.level, 1);
	CHECK_EQ(walk.rights, EPT_RWX);
	CHECK_EQ(walk.memory, EPT_MT_WB);
	CHECK(walk.dirty); /* nobody asks for D */
	*entry_at(1) |= EPT_PS | EPT_IPAT; /* bit 7 means nothing here */
	CHECK_FOUND(&walk, READ, 0x123456abc);
	CHECK_EQ(walk.level, 1);
	CHECK_EQ(walk.memory, EPT_MT_WB | EPT_IPAT);
}

TEST(large_pages)
{
	struct ept12_walk walk = start();

	*entry_at(2) = 0x40200000 | EPT_RWX | EPT_PS | EPT_MT_UC;
	CHECK_FOUND(&walk, READ, 0x40200000 | (L2_GPA & 0x1fffff));
	CHECK_EQ(walk.level, 2);
	CHECK_EQ(walk.memory, EPT_MT_UC);
	*entry_at(3) = 0x80000000 | EPT_R | EPT_PS | EPT_MT_WB;
	CHECK_FOUND(&walk, READ, 0x80000000 | (L2_GPA & 0x3fffffff));
	CHECK_EQ(walk.level, 3);
	CHECK_EQ(walk.rights, EPT_R);
	walk.cap &= ~VMX_EPT_1GB_PAGE_BIT;
	CHECK_MISCONFIG(&walk);
	walk = start();
	*entry_at(2) = 0x40200000 | EPT_RWX | EPT_PS;
	walk.cap &= ~VMX_EPT_2MB_PAGE_BIT;
	CHECK_MISCONFIG(&walk);
}

/* Every right at every level, alone: what is left is what all levels give. */
TEST(rights_of_all_levels)
{
	const u64 rights[] = { EPT_R, EPT_X, EPT_R | EPT_W, EPT_R | EPT_X, EPT_RWX };

	for (int level = 1; level <= 4; level++) {
		for (int i = 0; i < ARRAY_SIZE(rights); i++) {
			struct ept12_walk walk = start();

			*entry_at(level) = (*entry_at(level) & ~EPT_RWX) | rights[i];
			for (u64 access = READ; access <= FETCH; access <<= 1) {
				if (rights[i] & access) {
					CHECK_FOUND(&walk, access, 0x123456abc);
					CHECK_EQ(walk.rights, rights[i]);
				} else {
					CHECK_VIOLATION(&walk, access, access | rights[i] << 3);
				}
			}
		}
	}
}

TEST(rights_are_anded)
{
	struct ept12_walk walk = start();

	*entry_at(3) = 0x3000 | EPT_R | EPT_W;
	*entry_at(1) = 0x123456000 | EPT_R | EPT_X | EPT_MT_WB;
	CHECK_FOUND(&walk, READ, 0x123456abc);
	CHECK_EQ(walk.rights, EPT_R);
	CHECK_VIOLATION(&walk, WRITE | LINEAR, WRITE | LINEAR | EPT_VIOLATION_READABLE);
	CHECK_VIOLATION(&walk, READ | WRITE, READ | WRITE | EPT_VIOLATION_READABLE);
}

TEST(not_present)
{
	for (int level = 1; level <= 4; level++) {
		struct ept12_walk walk = start();

		*entry_at(level) = ~EPT_RWX; /* the rest is not looked at */
		CHECK_VIOLATION(&walk, READ | LINEAR, READ | LINEAR);
		CHECK_EQ(reads, 5 - level);
	}
}

TEST(beyond_48_bits)
{
	struct ept12_walk walk = start();

	CHECK_EQ(ept12_translate(&walk, 1ull << 48 | L2_GPA), EPT12_VIOLATION);
	CHECK_EQ(walk.qualification, READ);
	CHECK_EQ(reads, 0);
}

TEST(misconfigured_rights)
{
	for (int level = 1; level <= 4; level++) {
		struct ept12_walk walk = start();

		*entry_at(level) = (*entry_at(level) & ~EPT_RWX) | EPT_W;
		CHECK_MISCONFIG(&walk);
		CHECK_EQ(reads, 5 - level);
		*entry_at(level) |= EPT_X;
		CHECK_MISCONFIG(&walk);
		*entry_at(level) &= ~EPT_W;
		CHECK_FOUND(&walk, FETCH, 0x123456abc);
		walk.cap &= ~VMX_EPT_EXECUTE_ONLY_BIT;
		CHECK_MISCONFIG(&walk);
	}
}

/* Each bit of each entry: those that must be clear, and no others. */
TEST(reserved_bits)
{
	const u64 address = GENMASK_ULL(51, 46);
	const u64 want[] = {
		[4] = address | EPT_MT_MASK | EPT_IPAT | EPT_PS,
		[3] = address | EPT_MT_MASK | EPT_IPAT | EPT_PS, /* not aligned for a leaf */
		[2] = address | EPT_MT_MASK | EPT_IPAT | EPT_PS,
		[1] = address | BIT(3) | BIT(5), /* memory types 7 and 2 */
	};

	for (int level = 1; level <= 4; level++) {
		for (int bit = 3; bit < 64; bit++) {
			struct ept12_walk walk = start();
			bool reserved = want[level] >> bit & 1;

			if (level > 1 && bit >= 12 && bit < 46)
				continue; /* the next table's address */
			*entry_at(level) ^= 1ull << bit;
			CHECK_MSG((walk_with(&walk, READ) == EPT12_MISCONFIG) == reserved,
				  "level %d, bit %d", level, bit);
		}
	}
}

TEST(reserved_bits_of_large_leaves)
{
	for (int level = 2; level <= 3; level++) {
		for (int bit = 12; bit < 52; bit++) {
			struct ept12_walk walk = start();
			bool reserved = bit >= 46 || bit < 12 + 9 * (level - 1);

			*entry_at(level) = EPT_RWX | EPT_PS | EPT_MT_WB | 1ull << bit;
			CHECK_MSG((walk_with(&walk, READ) == EPT12_MISCONFIG) == reserved,
				  "level %d, bit %d", level, bit);
		}
	}
}

TEST(memory_types)
{
	for (int level = 1; level <= 3; level++) {
		for (u64 type = 0; type < 8; type++) {
			struct ept12_walk walk = start();
			bool bad = type == 2 || type == 3 || type == 7;

			*entry_at(level) = EPT_RWX | EPT_PS | type << 3;
			CHECK_EQ(walk_with(&walk, READ), bad ? EPT12_MISCONFIG : EPT12_FOUND);
		}
	}
}

/* The first entry that is wrong decides; a right that is missing above does not. */
TEST(which_fault_comes_first)
{
	struct ept12_walk walk = start();

	*entry_at(3) = 0;
	*entry_at(1) |= EPT_MT_MASK;
	CHECK_VIOLATION(&walk, READ, READ);
	*entry_at(3) = 0x3000 | EPT_X;
	CHECK_MISCONFIG(&walk);
}

TEST(address_width)
{
	struct ept12_walk walk = start();

	*entry_at(1) |= 1ull << 46;
	CHECK_MISCONFIG(&walk);
	walk.maxphyaddr = 47;
	CHECK_FOUND(&walk, READ, 0x123456abc | 1ull << 46);
	walk.maxphyaddr = 52;
	*entry_at(1) |= 1ull << 51;
	CHECK_FOUND(&walk, READ, 0x123456abc | 1ull << 46 | 1ull << 51);
}

TEST(accessed_and_dirty)
{
	struct ept12_walk walk = start();

	CHECK_FOUND(&walk, WRITE, 0x123456abc);
	CHECK_EQ(*entry_at(1) & (EPT_A | EPT_D), 0); /* the EPTP has them off */
	CHECK(walk.dirty);
	walk.eptp |= EPTP_AD;
	CHECK_FOUND(&walk, READ, 0x123456abc);
	CHECK(!walk.dirty);
	for (int level = 1; level <= 4; level++)
		CHECK_EQ(*entry_at(level) & (EPT_A | EPT_D), EPT_A);
	CHECK_FOUND(&walk, WRITE, 0x123456abc);
	CHECK(walk.dirty);
	for (int level = 2; level <= 4; level++)
		CHECK_EQ(*entry_at(level) & (EPT_A | EPT_D), EPT_A);
	CHECK_EQ(*entry_at(1) & (EPT_A | EPT_D), EPT_A | EPT_D);
	CHECK_FOUND(&walk, READ, 0x123456abc);
	CHECK(walk.dirty); /* from then on */
	walk = start();
	walk.eptp |= EPTP_AD;
	walk.set = NULL;
	CHECK_FOUND(&walk, WRITE, 0x123456abc);
	CHECK(!walk.dirty);
}

/* SDM 3C 29.3.5: with A/D bits the CPU writes L2's page tables even where it only reads. */
TEST(page_tables_are_written)
{
	struct ept12_walk walk = start();

	*entry_at(1) &= ~EPT_W;
	CHECK_FOUND(&walk, READ | TABLES, 0x123456abc);
	walk.eptp |= EPTP_AD;
	CHECK_VIOLATION(&walk, READ | TABLES,
			READ | WRITE | TABLES | EPT_VIOLATION_READABLE |
				EPT_VIOLATION_EXECUTABLE);
	CHECK_EQ(*entry_at(1) & EPT_A, 0); /* a refused access sets nothing */
	CHECK_FOUND(&walk, READ | LINEAR, 0x123456abc);
	*entry_at(1) |= EPT_W;
	CHECK_FOUND(&walk, READ | TABLES, 0x123456abc);
	CHECK_EQ(*entry_at(1) & EPT_D, EPT_D);
	CHECK(walk.dirty);
}

TEST(an_entry_that_changes)
{
	struct ept12_walk walk = start();

	walk.eptp |= EPTP_AD;
	race = true;
	CHECK_EQ(walk_with(&walk, WRITE), EPT12_CHANGED);
	CHECK_EQ(*entry_at(1) & (EPT_A | EPT_D), 0);
}

static struct ept12_walk start_log(u16 index)
{
	struct ept12_walk walk = start();

	walk.eptp |= EPTP_AD;
	walk.logs = true;
	walk.log_index = index;
	return walk;
}

/* SDM 3C 29.3.6: D from 0 to 1, then the entry, then the index. */
TEST(a_write_is_logged)
{
	struct ept12_walk walk = start_log(511);

	CHECK_FOUND(&walk, READ, 0x123456abc);
	CHECK_EQ(logged.count, 0); /* A bits are not */
	CHECK_EQ(walk.log_index, 511);
	CHECK_FOUND(&walk, WRITE | LINEAR, 0x123456abc);
	CHECK_EQ(logged.count, 1);
	CHECK_EQ(logged.index, 511);
	CHECK_EQ(logged.gpa, L2_GPA & ~0xfffull);
	CHECK(logged.leaf & EPT_D);
	CHECK_EQ(walk.log_index, 510);
	CHECK_FOUND(&walk, WRITE | LINEAR, 0x123456abc);
	CHECK_EQ(logged.count, 1); /* D was set already */
	*entry_at(1) &= ~EPT_A;
	CHECK_FOUND(&walk, WRITE | LINEAR, 0x123456abc);
	CHECK_EQ(logged.count, 1); /* and A alone is no news */
	*entry_at(1) &= ~EPT_D;
	CHECK_FOUND(&walk, READ | TABLES, 0x123456abc); /* is a write */
	CHECK_EQ(logged.count, 2);
	CHECK_EQ(logged.index, 510);
	CHECK_EQ(walk.log_index, 509);
}

TEST(a_write_to_a_large_page_is_logged_by_4k)
{
	struct ept12_walk walk = start_log(7);

	*entry_at(2) = 0x40200000 | EPT_RWX | EPT_PS | EPT_MT_WB;
	CHECK_FOUND(&walk, WRITE, 0x40200000 | (L2_GPA & 0x1fffff));
	CHECK_EQ(logged.count, 1);
	CHECK_EQ(logged.gpa, L2_GPA & ~0xfffull);
	CHECK_EQ(walk.log_index, 6);
}

TEST(nothing_is_logged)
{
	struct ept12_walk walk = start_log(511);

	walk.logs = false;
	CHECK_FOUND(&walk, WRITE, 0x123456abc);
	CHECK_EQ(*entry_at(1) & EPT_D, EPT_D);
	walk = start_log(511);
	walk.eptp &= ~EPTP_AD;
	CHECK_FOUND(&walk, WRITE, 0x123456abc);
	walk = start_log(511);
	walk.set = NULL;
	CHECK_FOUND(&walk, WRITE, 0x123456abc);
	walk = start_log(511);
	*entry_at(2) &= ~EPT_W; /* refused */
	CHECK_EQ(walk_with(&walk, WRITE), EPT12_VIOLATION);
	walk = start_log(511);
	race = true; /* D is not set either */
	CHECK_EQ(walk_with(&walk, WRITE), EPT12_CHANGED);
	CHECK_EQ(logged.count, 0);
	CHECK_EQ(walk.log_index, 511);
}

/* Every index: in range it goes down by one, 0 to 0xffff; out of it nothing is done at all. */
TEST(a_log_that_is_full)
{
	for (unsigned int index = 0; index <= 0xffff; index++) {
		struct ept12_walk walk = start_log(index);
		enum ept12_outcome outcome = walk_with(&walk, WRITE);

		CHECK_EQ(outcome, index < 512 ? EPT12_FOUND : EPT12_LOG_FULL);
		CHECK_EQ(walk.log_index, (u16)(index - (index < 512)));
		CHECK_EQ(logged.count, index < 512);
		if (index < 512)
			continue;
		for (int level = 1; level <= 4; level++)
			CHECK_EQ(*entry_at(level) & (EPT_A | EPT_D), 0);
	}
}

/* A bit that is to be set meets a full log, whichever it is; none, and nobody looks. */
TEST(what_meets_a_full_log)
{
	for (int level = 1; level <= 4; level++) {
		struct ept12_walk walk = start_log(0xffff);

		for (int i = 1; i <= 4; i++)
			*entry_at(i) |= EPT_A;
		CHECK_FOUND(&walk, READ, 0x123456abc);
		CHECK_EQ(walk_with(&walk, WRITE), EPT12_LOG_FULL);
		*entry_at(1) |= EPT_D;
		CHECK_FOUND(&walk, WRITE, 0x123456abc);
		*entry_at(level) &= ~EPT_A;
		CHECK_EQ(walk_with(&walk, READ), EPT12_LOG_FULL);
		CHECK_EQ(*entry_at(level) & EPT_A, 0);
	}
}

TEST(no_table)
{
	struct ept12_walk walk = start();

	*entry_at(3) = 0x100000000 | EPT_RWX;
	CHECK_EQ(walk_with(&walk, READ), EPT12_NO_TABLE);
	walk.eptp = 0x3ffffffff000 | EPTP_WALK_4 | EPTP_MT_WB;
	CHECK_EQ(walk_with(&walk, READ), EPT12_NO_TABLE);
}

TEST(eptp)
{
	CHECK(ept12_eptp_is_valid(EPTP, ALL_CAPS, 46));
	CHECK(ept12_eptp_is_valid(EPTP | EPTP_AD, ALL_CAPS, 46));
	CHECK(!ept12_eptp_is_valid(EPTP | EPTP_AD, ALL_CAPS & ~VMX_EPT_AD_BIT, 46));
	CHECK(!ept12_eptp_is_valid(EPTP, ALL_CAPS & ~VMX_EPTP_WB_BIT, 46));
	CHECK(!ept12_eptp_is_valid(EPTP, ALL_CAPS & ~VMX_EPT_PAGE_WALK_4_BIT, 46));
	for (u64 type = 0; type < 8; type++)
		CHECK_EQ(ept12_eptp_is_valid((EPTP & ~7ull) | type, ALL_CAPS, 46),
			 type == 0 || type == 6);
	CHECK(!ept12_eptp_is_valid(EPTP & ~7ull, ALL_CAPS & ~VMX_EPTP_UC_BIT, 46));
	for (u64 length = 0; length < 8; length++)
		CHECK_EQ(ept12_eptp_is_valid((EPTP & ~0x38ull) | length << 3, ALL_CAPS, 46),
			 length == 3);
	for (int bit = 7; bit < 64; bit++)
		CHECK_EQ(ept12_eptp_is_valid(EPTP | 1ull << bit, ALL_CAPS, 46),
			 bit >= 12 && bit < 46);
	CHECK(ept12_eptp_is_valid(EPTP | 1ull << 51, ALL_CAPS, 52));
}
