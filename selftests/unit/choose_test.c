// SPDX-License-Identifier: GPL-2.0
/*
 * What is made of a CPU's capabilities: the CPUs of the emulated machine, and
 * those that it has no model of.
 */
#include "tap.h"
#include "vmx/choose.h"

static const struct cpu_wish everything = {
	.pml = true,
	.ept_ad = true,
	.vpid = true,
	.unrestricted_guest = true,
};

/* A CPU that has it all, without what a test takes away. */
static struct cpu_offer full(u64 without)
{
	const u64 all = EPT_CAP_WALK_4 | EPT_CAP_WB | EPT_CAP_2M | EPT_CAP_1G | EPT_CAP_INVEPT |
			EPT_CAP_AD | EPT_CAP_INVEPT_ONE | EPT_CAP_INVEPT_ALL | EPT_CAP_INVVPID |
			EPT_CAP_INVVPID_ONE | EPT_CAP_INVVPID_ALL;

	return (struct cpu_offer){
		.ept_vpid = all & ~without,
		.ept = true,
		.vpid = true,
		.unrestricted_guest = true,
		.pml = true,
	};
}

static struct cpu_choice choose(struct cpu_offer offer)
{
	return cpu_choose(&offer, &everything);
}

TEST(all_that_there_is)
{
	struct cpu_choice choice = choose(full(0));

	CHECK(!choice.refused);
	CHECK(choice.ept_ad && choice.pml && choice.vpid && choice.unrestricted_guest);
	CHECK_EQ(choice.ept_level, 3);
	CHECK_EQ(choice.invept, INV_ONE);
	CHECK_EQ(choice.invvpid, INV_ONE);
}

/* Each tracking mode, by CPU and by parameter; PML never without A/D bits. */
TEST(tracking)
{
	struct cpu_offer offer = full(0), no_ad = full(EPT_CAP_AD), no_pml = full(0);
	struct cpu_wish wish = everything;
	struct cpu_choice choice;

	no_pml.pml = false;
	choice = choose(no_ad);
	CHECK(!choice.ept_ad && !choice.pml);
	CHECK(!strcmp(cpu_tracking_name(&choice), "write-protection"));
	choice = choose(no_pml);
	CHECK(choice.ept_ad && !choice.pml);
	CHECK(!strcmp(cpu_tracking_name(&choice), "dirty-bits"));
	wish.pml = false;
	choice = cpu_choose(&offer, &wish);
	CHECK(choice.ept_ad && !choice.pml);
	wish.pml = true;
	wish.ept_ad = false;
	choice = cpu_choose(&offer, &wish);
	CHECK(!choice.ept_ad && !choice.pml);
	choice = choose(offer);
	CHECK(!strcmp(cpu_tracking_name(&choice), "pml"));
}

TEST(invept_one_or_all)
{
	CHECK_EQ(choose(full(EPT_CAP_INVEPT_ONE)).invept, INV_ALL);
	CHECK(choose(full(EPT_CAP_INVEPT_ONE)).invept_all);
	CHECK_EQ(choose(full(EPT_CAP_INVEPT_ALL)).invept, INV_ONE);
	CHECK(!choose(full(EPT_CAP_INVEPT_ALL)).invept_all);
	CHECK(!strcmp(inv_extent_name(INV_ONE), "one"));
	CHECK(!strcmp(inv_extent_name(INV_ALL), "all"));
	CHECK(!strcmp(inv_extent_name(INV_NONE), "none"));
}

TEST(vpid_or_not)
{
	struct cpu_offer offer = full(0), none = full(0);
	struct cpu_wish wish = everything;
	struct cpu_choice choice;

	choice = choose(full(EPT_CAP_INVVPID_ONE));
	CHECK(choice.vpid && choice.invvpid == INV_ALL);
	/* Types that are not known, or no instruction: a VPID would go stale. */
	choice = choose(full(EPT_CAP_INVVPID_ONE | EPT_CAP_INVVPID_ALL));
	CHECK(!choice.refused && !choice.vpid && choice.invvpid == INV_NONE);
	choice = choose(full(EPT_CAP_INVVPID));
	CHECK(!choice.refused && !choice.vpid && choice.invvpid == INV_NONE);
	none.vpid = false;
	choice = choose(none);
	CHECK(!choice.refused && !choice.vpid && choice.invvpid == INV_NONE);
	wish.vpid = false;
	choice = cpu_choose(&offer, &wish);
	CHECK(!choice.refused && !choice.vpid && choice.invvpid == INV_NONE);
}

TEST(largest_page)
{
	CHECK_EQ(choose(full(EPT_CAP_1G)).ept_level, 2);
	CHECK_EQ(choose(full(EPT_CAP_2M | EPT_CAP_1G)).ept_level, 1);
	/* 1G leaves that could not be split into 2M ones. */
	CHECK_EQ(choose(full(EPT_CAP_2M)).ept_level, 1);
}

TEST(unrestricted_guest)
{
	struct cpu_offer offer = full(0), none = full(0);
	struct cpu_wish wish = everything;

	none.unrestricted_guest = false;
	CHECK(!choose(none).refused && !choose(none).unrestricted_guest);
	wish.unrestricted_guest = false;
	CHECK(!cpu_choose(&offer, &wish).unrestricted_guest);
}

TEST(refused)
{
	struct cpu_offer none = full(0);

	none.ept = false;
	CHECK(choose(none).refused);
	CHECK(choose(full(EPT_CAP_WALK_4)).refused);
	CHECK(choose(full(EPT_CAP_WB)).refused);
	CHECK(choose(full(EPT_CAP_INVEPT)).refused);
	CHECK(choose(full(EPT_CAP_INVEPT_ONE | EPT_CAP_INVEPT_ALL)).refused);
}
