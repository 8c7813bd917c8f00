// SPDX-License-Identifier: GPL-2.0
/*
 * Machine-check banks: who may write what, and what an error does to them.
 */
#include <asm/msr-index.h>

#include "platform/mce.h"
#include "tap.h"

#define SUPPORTED (MCE_CAP_CTL_P | MCE_CAP_CMCI_P | MCE_CAP_SER_P)

#define CTL(bank)    (MSR_IA32_MC0_CTL + 4 * (bank))
#define STATUS(bank) (CTL(bank) + 1)
#define ADDR(bank)   (CTL(bank) + 2)
#define MISC(bank)   (CTL(bank) + 3)
#define CTL2(bank)   (MSR_IA32_MC0_CTL2 + (bank))

#define VAL  (1ull << 63)
#define OVER (1ull << 62)
#define UC   (1ull << 61)
#define PCC  (1ull << 57)
#define S    (1ull << 56)
#define AR   (1ull << 55)
#define EN   (1ull << 30) /* of CTL2 */

static struct mce_model model;

static void start(u64 cap)
{
	mce_reset(&model);
	if (cap)
		CHECK(!mce_setup(&model, cap, SUPPORTED));
}

static u64 get(u32 index)
{
	u64 value = 0xbad;

	CHECK(!mce_get_msr(&model, index, &value));
	return value;
}

static int report(u8 bank, u64 status, u64 addr)
{
	const struct kvm_x86_mce error = {
		.bank = bank,
		.status = status,
		.addr = addr,
		.misc = addr + 1,
		.mcg_status = MCE_STATUS_MCIP | 1,
	};

	return mce_report(&model, &error, true);
}

TEST(reset)
{
	u64 value;

	start(0);
	CHECK_EQ(get(MSR_IA32_MCG_CAP), MCE_BANKS_MAX);
	CHECK_EQ(get(MSR_IA32_MCG_STATUS), 0);
	CHECK_EQ(get(MSR_IA32_MCG_CTL), 0);
	CHECK_EQ(get(MISC(MCE_BANKS_MAX - 1)), 0);
	CHECK(mce_get_msr(&model, CTL(MCE_BANKS_MAX), &value));
	CHECK(mce_get_msr(&model, CTL2(MCE_BANKS_MAX), &value));
	CHECK(mce_has_msr(CTL(0)) && mce_has_msr(MISC(31)) && mce_has_msr(CTL2(31)));
	CHECK(!mce_has_msr(CTL(32)) && !mce_has_msr(CTL2(32)) && !mce_has_msr(CTL(0) - 1));
	CHECK(!mce_has_msr(CTL2(0) - 1) && !mce_has_msr(MSR_IA32_MCG_CTL + 1));
}

TEST(setup)
{
	u64 value;

	start(0);
	CHECK_EQ(mce_setup(&model, 0, SUPPORTED), -EINVAL);
	CHECK_EQ(mce_setup(&model, 33, SUPPORTED), -EINVAL);
	CHECK_EQ(mce_setup(&model, 10 | 1ull << 27, SUPPORTED), -EINVAL);
	CHECK_EQ(mce_setup(&model, 10 | MCE_CAP_SER_P, MCE_CAP_CTL_P), -EINVAL);
	CHECK_EQ(get(MSR_IA32_MCG_CAP), MCE_BANKS_MAX);
	CHECK(!mce_setup(&model, 10 | MCE_CAP_CTL_P | 0x120000, SUPPORTED));
	CHECK_EQ(get(MSR_IA32_MCG_CAP), 10 | MCE_CAP_CTL_P | 0x120000);
	CHECK_EQ(get(MSR_IA32_MCG_CTL), ~0ull);
	CHECK_EQ(get(CTL(9)), ~0ull);
	CHECK(mce_get_msr(&model, CTL(10), &value));
	CHECK(mce_set_msr(&model, CTL(10), 0, true));
}

struct write_case {
	u32 index;
	u64 value;
	bool host, good;
};

static const struct write_case write_cases[] = {
	{ MSR_IA32_MCG_STATUS, 4, false, false },
	{ MSR_IA32_MCG_STATUS, 0, false, true },
	{ MSR_IA32_MCG_STATUS, 4, true, true },
	{ MSR_IA32_MCG_CAP, 10 | SUPPORTED, true, true },
	{ MSR_IA32_MCG_CAP, 10 | SUPPORTED, false, false },
	{ MSR_IA32_MCG_CAP, 10, true, false },
	{ MSR_IA32_MCG_CTL, ~0ull, false, true },
	{ MSR_IA32_MCG_CTL, 0, false, true },
	{ MSR_IA32_MCG_CTL, 1, true, false },
	{ CTL(3), 0, false, true },
	{ CTL(3), ~0ull, false, true },
	{ CTL(3), ~0ull & ~(1ull << 10), false, true },
	{ CTL(3), ~1ull, false, true },
	{ CTL(3), ~2ull, false, false },
	{ STATUS(3), 0, false, true },
	{ STATUS(3), VAL, false, false },
	{ STATUS(3), VAL, true, true },
	{ ADDR(3), 1, false, false },
	{ ADDR(3), 1, true, true },
	{ MISC(3), 0, false, true },
	{ MISC(3), 7, true, true },
	{ CTL2(3), EN | 0x7fff, false, true },
	{ CTL2(3), 0x8000, true, false },
	{ CTL2(3), 1ull << 29, false, false },
	{ CTL2(3), EN << 1, false, false },
};

TEST(writes)
{
	u64 before;
	int ret;

	for (size_t i = 0; i < ARRAY_SIZE(write_cases); i++) {
		const struct write_case *c = &write_cases[i];

		start(10 | SUPPORTED);
		before = get(c->index);
		ret = mce_set_msr(&model, c->index, c->value, c->host);
		CHECK_MSG(ret == (c->good ? 0 : -EINVAL), "%#x = %#llx: %d", c->index, c->value,
			  ret);
		CHECK_EQ(get(c->index), c->good ? c->value : before);
	}
}

TEST(what_is_not_offered)
{
	start(10);
	CHECK_EQ(mce_set_msr(&model, MSR_IA32_MCG_CTL, ~0ull, true), -EINVAL);
	CHECK_EQ(mce_set_msr(&model, MSR_IA32_MCG_CTL, 0, false), -EINVAL);
	CHECK_EQ(mce_set_msr(&model, MSR_IA32_MCG_CTL, 0, true), 0);
	CHECK_EQ(mce_set_msr(&model, CTL2(1), EN, true), -EINVAL);
	CHECK_EQ(mce_set_msr(&model, CTL2(1), 0, false), -EINVAL);
	CHECK_EQ(mce_set_msr(&model, CTL2(1), 0, true), 0);
}

TEST(bad_reports)
{
	start(10 | SUPPORTED);
	CHECK_EQ(report(10, VAL, 0), -EINVAL);
	CHECK_EQ(report(255, VAL, 0), -EINVAL);
	CHECK_EQ(report(0, ~VAL, 0), -EINVAL);
	CHECK_EQ(get(STATUS(0)), 0);
}

TEST(corrected)
{
	start(10 | SUPPORTED);
	CHECK_EQ(report(2, VAL, 0x1000), MCE_SILENT);
	CHECK_EQ(get(STATUS(2)), VAL);
	CHECK_EQ(get(ADDR(2)), 0x1000);
	CHECK_EQ(get(MISC(2)), 0x1001);
	CHECK_EQ(get(MSR_IA32_MCG_STATUS), 0);
	CHECK_EQ(report(2, VAL | 5, 0x2000), MCE_SILENT);
	CHECK_EQ(get(STATUS(2)), VAL | OVER | 5);
	CHECK_EQ(get(ADDR(2)), 0x2000);
	/* It does not take an uncorrected one's place. */
	CHECK_EQ(report(3, VAL | UC | PCC, 0x3000), MCE_EXCEPTION);
	CHECK_EQ(report(3, VAL | 6, 0x4000), MCE_SILENT);
	CHECK_EQ(get(STATUS(3)), VAL | OVER | UC | PCC);
	CHECK_EQ(get(ADDR(3)), 0x3000);
}

TEST(uncorrected)
{
	const struct kvm_x86_mce error = { .status = VAL | UC | PCC };

	start(10 | SUPPORTED);
	CHECK_EQ(report(1, VAL | UC | S | AR, 0x5000), MCE_EXCEPTION);
	CHECK_EQ(get(MSR_IA32_MCG_STATUS), MCE_STATUS_MCIP | 1);
	CHECK_EQ(get(STATUS(1)), VAL | UC | S | AR);
	/* While one is being handled there is no way on, and nothing is lost of the first. */
	CHECK_EQ(report(1, VAL | UC | PCC, 0x6000), MCE_SHUTDOWN);
	CHECK_EQ(get(ADDR(1)), 0x5000);
	CHECK(!mce_set_msr(&model, MSR_IA32_MCG_STATUS, 0, false));
	CHECK_EQ(mce_report(&model, &error, false), MCE_SHUTDOWN); /* CR4.MCE is clear */
	/* Turned off for the bank, and for all. */
	CHECK(!mce_set_msr(&model, CTL(1), 0, false));
	CHECK_EQ(report(1, VAL | UC | PCC, 0x7000), MCE_SILENT);
	CHECK_EQ(get(ADDR(1)), 0x5000);
	CHECK(!mce_set_msr(&model, CTL(1), ~0ull, false));
	CHECK(!mce_set_msr(&model, MSR_IA32_MCG_CTL, 0, false));
	CHECK_EQ(report(1, VAL | UC | PCC, 0x7000), MCE_SILENT);
	CHECK_EQ(get(ADDR(1)), 0x5000);
	/* Without the register it cannot be turned off. */
	start(10);
	CHECK_EQ(report(1, VAL | UC | PCC, 0x7000), MCE_EXCEPTION);
}

TEST(uncorrected_no_action)
{
	start(10 | SUPPORTED);
	CHECK_EQ(report(7, VAL | UC, 0x8000), MCE_SILENT);
	CHECK_EQ(get(ADDR(7)), 0x8000);
	CHECK(!mce_set_msr(&model, CTL2(7), EN, false));
	CHECK_EQ(report(7, VAL | UC, 0x9000), MCE_INTERRUPT);
	CHECK_EQ(get(ADDR(7)), 0x9000);
	CHECK_EQ(get(MISC(7)), 0x9001);
	CHECK_EQ(get(STATUS(7)) & ~OVER, VAL | UC);
	/* Another bank's enable is not this one's. */
	CHECK_EQ(report(6, VAL | UC, 0xa000), MCE_SILENT);
	start(10 | MCE_CAP_SER_P);
	CHECK_EQ(report(7, VAL | UC, 0xb000), MCE_SILENT);
}
