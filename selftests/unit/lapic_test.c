// SPDX-License-Identifier: GPL-2.0
/*
 * The local APIC's state machine: registers, priorities against an oracle that
 * knows nothing of bitmaps, destinations, and the state that moves.
 */
#include "platform/lapic.h"
#include "tap.h"

#define ENABLE 0x1ff

static struct lapic *fresh(u32 id)
{
	static struct lapic apic;

	apic = (struct lapic){};
	lapic_reset(&apic, id);
	lapic_write(&apic, LAPIC_SVR, ENABLE);
	return &apic;
}

static struct lapic *fresh_x2apic(u32 id)
{
	struct lapic *apic = fresh(id);

	lapic_set_mode(apic, LAPIC_X2APIC);
	return apic;
}

TEST(after_reset)
{
	struct lapic apic = {};

	lapic_reset(&apic, 3);
	CHECK_EQ(lapic_read(&apic, LAPIC_ID), 3 << 24);
	CHECK_EQ(lapic_read(&apic, LAPIC_VERSION), 0x50014);
	CHECK_EQ(lapic_read(&apic, LAPIC_SVR), 0xff);
	CHECK_EQ(lapic_read(&apic, LAPIC_DFR), ~0u);
	CHECK_EQ(lapic_read(&apic, LAPIC_LVT_LINT0), LAPIC_LVT_MASKED);
	CHECK_EQ(lapic_read(&apic, 0x24), 0);
	CHECK_EQ(lapic_read(&apic, 0x400), 0);
	CHECK_EQ(lapic_read(&apic, 0x1000), 0);
	CHECK(!lapic_enabled(&apic));
	CHECK(!lapic_accept(&apic, 0x40, false));
	CHECK_EQ(lapic_next(&apic), -1);
}

TEST(registers)
{
	struct lapic *apic = fresh(0);

	CHECK_EQ(lapic_write(apic, LAPIC_VERSION, 1), 0);
	CHECK_EQ(lapic_read(apic, LAPIC_VERSION), 0x50014);
	lapic_write(apic, LAPIC_LVT_LINT0, ~0u);
	CHECK_EQ(lapic_read(apic, LAPIC_LVT_LINT0), 0x1a7ff);
	lapic_write(apic, LAPIC_LVT_TIMER, ~0u);
	CHECK_EQ(lapic_read(apic, LAPIC_LVT_TIMER), 0x300ff);
	lapic_write(apic, LAPIC_LVT_TIMER, 0x30);
	CHECK_EQ(lapic_read(apic, LAPIC_LVT_TIMER), 0x30);
	lapic_write(apic, LAPIC_SVR, 0xff);
	CHECK_EQ(lapic_read(apic, LAPIC_LVT_TIMER), 0x10030);
	lapic_write(apic, LAPIC_LVT_TIMER, 0x30);
	CHECK_EQ(lapic_read(apic, LAPIC_LVT_TIMER), 0x10030); /* switched off: masked */
	CHECK_EQ(lapic_write(apic, LAPIC_ICR_LOW, 0x1040), LAPIC_SEND);
	CHECK_EQ(lapic_read(apic, LAPIC_ICR_LOW), 0x40); /* idle */
	CHECK_EQ(lapic_write(apic, LAPIC_TIMER_INITIAL, 7), LAPIC_TIMER_START);
	CHECK_EQ(lapic_write(apic, LAPIC_TIMER_DIVIDE, ~0u), LAPIC_TIMER_SCALE);
	CHECK_EQ(lapic_read(apic, LAPIC_TIMER_DIVIDE), 0xb);
}

/* SDM 3A figure 11-10. */
TEST(timer_divisor)
{
	static const u8 shift[] = { 1, 2, 3, 4, 0, 0, 0, 0, 5, 6, 7, 0 };
	struct lapic *apic = fresh(0);
	u32 i;

	for (i = 0; i < ARRAY_SIZE(shift); i++) {
		lapic_write(apic, LAPIC_TIMER_DIVIDE, i);
		if (i < 4 || i >= 8)
			CHECK_EQ(lapic_timer_shift(apic), shift[i]);
	}
}

TEST(cmci)
{
	struct lapic *apic = fresh(0);
	u64 value;

	lapic_write(apic, LAPIC_LVT_CMCI, 0xa9);
	CHECK_EQ(lapic_read(apic, LAPIC_LVT_CMCI), 0);
	lapic_set_cmci(apic, true);
	CHECK_EQ(lapic_read(apic, LAPIC_VERSION), 0x60014);
	CHECK_EQ(lapic_read(apic, LAPIC_LVT_CMCI), LAPIC_LVT_MASKED);
	lapic_write(apic, LAPIC_LVT_CMCI, ~0u);
	CHECK_EQ(lapic_read(apic, LAPIC_LVT_CMCI), 0x107ff);
	lapic_write(apic, LAPIC_LVT_CMCI, 0xa9);
	lapic_write(apic, LAPIC_SVR, 0xff);
	CHECK_EQ(lapic_read(apic, LAPIC_LVT_CMCI), LAPIC_LVT_MASKED | 0xa9);
	lapic_init(apic);
	CHECK_EQ(lapic_read(apic, LAPIC_VERSION), 0x60014);
	CHECK_EQ(lapic_read(apic, LAPIC_LVT_CMCI), LAPIC_LVT_MASKED);
	lapic_set_mode(apic, LAPIC_X2APIC);
	CHECK_EQ(lapic_msr_read(apic, 0x82f, &value), 0);
	CHECK_EQ(value, LAPIC_LVT_MASKED);
	CHECK_EQ(lapic_msr_write(apic, 0x82f, 0x100a9), 0);
	lapic_set_cmci(apic, false);
	CHECK_EQ(lapic_msr_read(apic, 0x82f, &value), -EINVAL);
	CHECK_EQ(lapic_msr_write(apic, 0x82f, 0x100a9), -EINVAL);
	CHECK_EQ(lapic_read(apic, LAPIC_VERSION), 0x50014);
}

TEST(timer_modes)
{
	struct lapic *apic = fresh(0);

	CHECK_EQ(lapic_timer_mode(apic), LAPIC_ONE_SHOT);
	CHECK_EQ(lapic_write(apic, LAPIC_LVT_TIMER, 0x20030), 0);
	CHECK_EQ(lapic_timer_mode(apic), LAPIC_PERIODIC);
	CHECK_EQ(lapic_write(apic, LAPIC_LVT_TIMER, 0x40030), 0); /* CPUID has no deadline */
	CHECK_EQ(lapic_timer_mode(apic), LAPIC_ONE_SHOT);
	apic->has_deadline = true;
	lapic_write(apic, LAPIC_TIMER_INITIAL, 100);
	CHECK_EQ(lapic_write(apic, LAPIC_LVT_TIMER, 0x40030), LAPIC_TIMER_STOP);
	CHECK_EQ(lapic_read(apic, LAPIC_TIMER_INITIAL), 0);
	CHECK_EQ(lapic_write(apic, LAPIC_TIMER_INITIAL, 100), 0);
	CHECK_EQ(lapic_read(apic, LAPIC_TIMER_INITIAL), 0);
	CHECK_EQ(lapic_write(apic, LAPIC_LVT_TIMER, 0x30), LAPIC_TIMER_STOP);
}

TEST(errors)
{
	struct lapic *apic = fresh(0);

	lapic_write(apic, LAPIC_LVT_ERROR, 0x41);
	CHECK(lapic_accept(apic, 5, false)); /* the error's own interrupt */
	CHECK_EQ(lapic_next(apic), 0x41);
	CHECK_EQ(lapic_read(apic, LAPIC_ESR), 0);
	lapic_write(apic, LAPIC_ESR, 0);
	CHECK_EQ(lapic_read(apic, LAPIC_ESR), BIT(LAPIC_ERROR_RECEIVE_VECTOR));
	lapic_write(apic, LAPIC_ESR, 0);
	CHECK_EQ(lapic_read(apic, LAPIC_ESR), 0);
	/* An error interrupt with an illegal vector is an error without end: but for us. */
	lapic_write(apic, LAPIC_LVT_ERROR, 3);
	CHECK(!lapic_accept(apic, 5, false));
	lapic_write(apic, 0x3d0, 1);
	lapic_write(apic, LAPIC_ESR, 0);
	CHECK_EQ(lapic_read(apic, LAPIC_ESR),
		 BIT(LAPIC_ERROR_RECEIVE_VECTOR) | BIT(LAPIC_ERROR_REGISTER));
}

TEST(eoi_takes_the_highest)
{
	struct lapic *apic = fresh(0);

	CHECK(lapic_accept(apic, 0x31, false));
	CHECK(!lapic_accept(apic, 0x31, false));
	CHECK_EQ(lapic_next(apic), 0x31);
	lapic_take(apic, 0x31);
	CHECK_EQ(lapic_next(apic), -1);
	CHECK_EQ(lapic_ppr(apic), 0x30);
	CHECK(lapic_accept(apic, 0x3f, false)); /* of the same class */
	CHECK_EQ(lapic_next(apic), -1);
	CHECK(lapic_accept(apic, 0x40, true));
	CHECK_EQ(lapic_next(apic), 0x40);
	lapic_take(apic, 0x40);
	CHECK_EQ(lapic_read(apic, LAPIC_TMR + 0x20), 1);
	CHECK_EQ(lapic_write(apic, LAPIC_EOI, 0), LAPIC_RECHECK);
	CHECK_EQ(lapic_read(apic, LAPIC_ISR + 0x10), 1 << 17);
	CHECK_EQ(lapic_write(apic, LAPIC_EOI, 0), LAPIC_RECHECK);
	CHECK_EQ(lapic_next(apic), 0x3f);
	CHECK_EQ(lapic_write(apic, LAPIC_EOI, 0), 0); /* none in service */
}

/* What the SDM says of priorities, on an array. */
struct oracle {
	bool requested[256], in_service[256];
	u32 tpr;
};

static u32 oracle_ppr(const struct oracle *oracle)
{
	int v;

	for (v = 255; v >= 0; v--)
		if (oracle->in_service[v])
			break;
	if (v < 0 || oracle->tpr >> 4 >= v >> 4)
		return oracle->tpr;
	return v & 0xf0;
}

static int oracle_next(const struct oracle *oracle)
{
	int v;

	for (v = 255; v >= 16; v--)
		if (oracle->requested[v])
			return v >> 4 > oracle_ppr(oracle) >> 4 ? v : -1;
	return -1;
}

static void oracle_step(struct oracle *oracle, struct lapic *apic, u32 random)
{
	u8 v = random >> 8;
	int next;

	switch (random % 5) {
	case 0:
	case 1:
		CHECK_EQ(lapic_accept(apic, v, false), v >= 16 && !oracle->requested[v]);
		oracle->requested[v] = v >= 16;
		break;
	case 2:
		next = oracle_next(oracle);
		if (next < 0)
			break;
		lapic_take(apic, next);
		oracle->requested[next] = false;
		oracle->in_service[next] = true;
		break;
	case 3:
		lapic_write(apic, LAPIC_EOI, 0);
		for (next = 255; next >= 0; next--)
			if (oracle->in_service[next])
				break;
		if (next >= 0)
			oracle->in_service[next] = false;
		break;
	case 4:
		oracle->tpr = random >> 16 & 0x7f;
		lapic_write(apic, LAPIC_TPR, oracle->tpr);
	}
}

TEST(priorities_at_random)
{
	struct lapic *apic = fresh(0);
	struct oracle oracle = {};
	u32 i, random = 20261120;

	for (i = 0; i < 200000; i++) {
		random = random * 1664525 + 1013904223;
		oracle_step(&oracle, apic, random >> 4);
		if ((u32)lapic_next(apic) != (u32)oracle_next(&oracle) ||
		    lapic_ppr(apic) != oracle_ppr(&oracle)) {
			CHECK_MSG(false, "step %u: next %d, not %d", i, lapic_next(apic),
				  oracle_next(&oracle));
			return;
		}
	}
}

TEST(x2apic_msrs)
{
	struct lapic *apic = fresh(0x123);
	u64 value;

	CHECK_EQ(lapic_msr_read(apic, 0x802, &value), -EINVAL); /* xAPIC mode */
	CHECK_EQ(lapic_msr_write(apic, 0x80b, 0), -EINVAL);
	apic = fresh_x2apic(0x123);
	CHECK_EQ(lapic_msr_read(apic, 0x802, &value), 0);
	CHECK_EQ(value, 0x123);
	CHECK_EQ(lapic_msr_read(apic, 0x80d, &value), 0);
	CHECK_EQ(value, 0x12 << 16 | 1 << 3);
	CHECK_EQ(lapic_msr_write(apic, 0x802, 0), -EINVAL);
	CHECK_EQ(lapic_msr_write(apic, 0x80d, 0), -EINVAL);
	CHECK_EQ(lapic_msr_write(apic, 0x80e, 0), -EINVAL); /* no DFR */
	CHECK_EQ(lapic_msr_read(apic, 0x80b, &value), -EINVAL);
	CHECK_EQ(lapic_msr_write(apic, 0x80b, 1), -EINVAL);
	CHECK_EQ(lapic_msr_write(apic, 0x828, 1), -EINVAL);
	CHECK_EQ(lapic_msr_write(apic, 0x808, 0x100), -EINVAL);
	CHECK_EQ(lapic_msr_write(apic, 0x80f, 1 << 12), -EINVAL);
	CHECK_EQ(lapic_msr_write(apic, 0x838, 1ull << 32), -EINVAL);
	CHECK_EQ(lapic_msr_write(apic, 0x832, 1 << 18), -EINVAL);
	CHECK_EQ(lapic_msr_write(apic, 0x830, 1 << 20), -EINVAL);
	CHECK_EQ(lapic_msr_write(apic, 0x831, 0), -EINVAL);
	CHECK_EQ(lapic_msr_write(apic, 0x830, 0x500004041), LAPIC_SEND);
	CHECK_EQ(lapic_msr_read(apic, 0x830, &value), 0);
	CHECK_EQ(value, 0x500004041);
	CHECK_EQ(lapic_msr_read(apic, 0x83f, &value), -EINVAL);
	CHECK_EQ(lapic_msr_write(apic, 0x83f, 0x55), LAPIC_RECHECK);
	CHECK_EQ(lapic_next(apic), 0x55);
	CHECK_EQ(lapic_msr_write(apic, 0x83f, 0x155), -EINVAL);
	CHECK_EQ(lapic_msr_write(apic, 0x8ff, 0), -EINVAL);
}

TEST(modes_that_may_follow)
{
	const u64 off = 0xfee00000, on = off | 0x800, x2 = on | 0x400;

	CHECK(lapic_base_is_valid(on, x2, true, false));
	CHECK(!lapic_base_is_valid(on, x2, false, false));
	CHECK(!lapic_base_is_valid(on, off | 0x400, true, true));
	CHECK(!lapic_base_is_valid(x2, on, true, false));
	CHECK(lapic_base_is_valid(x2, off, true, false));
	CHECK(!lapic_base_is_valid(off, x2, true, false));
	CHECK(lapic_base_is_valid(off, on, true, false));
	CHECK(lapic_base_is_valid(x2, on, true, true));
	CHECK(lapic_base_is_valid(off, x2, true, true));
}

TEST(mode_changes)
{
	struct lapic *apic = fresh(5);

	lapic_write(apic, LAPIC_LDR, 0x22000000);
	lapic_write(apic, LAPIC_ICR_HIGH, 0x77000000);
	lapic_accept(apic, 0x99, false);
	lapic_set_mode(apic, LAPIC_X2APIC);
	CHECK_EQ(lapic_read(apic, LAPIC_ID), 5);
	CHECK_EQ(lapic_read(apic, LAPIC_LDR), 1 << 5);
	CHECK_EQ(lapic_read(apic, LAPIC_ICR_HIGH), 0);
	CHECK_EQ(lapic_next(apic), 0x99); /* is kept */
	lapic_init(apic);
	CHECK_EQ(apic->mode, LAPIC_X2APIC);
	CHECK_EQ(lapic_read(apic, LAPIC_ID), 5);
	CHECK_EQ(lapic_read(apic, LAPIC_LDR), 1 << 5);
	CHECK_EQ(lapic_next(apic), -1);
	lapic_set_mode(apic, LAPIC_OFF);
	CHECK_EQ(lapic_next(apic), -1);
	lapic_set_mode(apic, LAPIC_XAPIC);
	CHECK_EQ(lapic_read(apic, LAPIC_ID), 5 << 24);
	CHECK_EQ(lapic_read(apic, LAPIC_SVR), 0xff);
}

static bool icr_reaches(struct lapic *from, u64 icr, const struct lapic *to, bool self)
{
	struct lapic_ipi ipi;

	from->regs[LAPIC_ICR_LOW / 16] = icr;
	from->regs[LAPIC_ICR_HIGH / 16] = icr >> 32;
	ipi = lapic_icr(from);
	return lapic_is_target(to, &ipi, self);
}

TEST(destinations)
{
	struct lapic to = *fresh(5), from = *fresh(1);

	CHECK(icr_reaches(&from, 5ull << 56, &to, false));
	CHECK(!icr_reaches(&from, 4ull << 56, &to, false));
	CHECK(icr_reaches(&from, 0xffull << 56, &to, false));
	lapic_write(&to, LAPIC_LDR, 0x24000000);
	CHECK(icr_reaches(&from, 0x04ull << 56 | 1 << 11, &to, false));
	CHECK(!icr_reaches(&from, 0x41ull << 56 | 1 << 11, &to, false));
	lapic_write(&to, LAPIC_DFR, 0x0fffffff); /* clusters */
	CHECK(icr_reaches(&from, 0x2full << 56 | 1 << 11, &to, false));
	CHECK(!icr_reaches(&from, 0x14ull << 56 | 1 << 11, &to, false));
	CHECK(!icr_reaches(&from, 0x21ull << 56 | 1 << 11, &to, false));
	CHECK(icr_reaches(&from, 1 << 18, &to, true)); /* self */
	CHECK(!icr_reaches(&from, 1 << 18, &to, false));
	CHECK(icr_reaches(&from, 2 << 18, &to, true)); /* all */
	CHECK(icr_reaches(&from, 2 << 18, &to, false));
	CHECK(!icr_reaches(&from, 3 << 18, &to, true)); /* others */
	CHECK(icr_reaches(&from, 3 << 18, &to, false));
	lapic_set_mode(&to, LAPIC_OFF);
	CHECK(!icr_reaches(&from, 0xffull << 56, &to, false));
}

TEST(x2apic_destinations)
{
	struct lapic to = *fresh_x2apic(0x25), from = *fresh_x2apic(1);

	CHECK(icr_reaches(&from, 0x25ull << 32, &to, false));
	CHECK(!icr_reaches(&from, 0x125ull << 32, &to, false));
	CHECK(icr_reaches(&from, 0xffffffffull << 32, &to, false));
	CHECK(!icr_reaches(&from, 0xffull << 32, &to, false));
	CHECK(icr_reaches(&from, 0x2ffffull << 32 | 1 << 11, &to, false));
	CHECK(icr_reaches(&from, 0x20020ull << 32 | 1 << 11, &to, false));
	CHECK(!icr_reaches(&from, 0x10020ull << 32 | 1 << 11, &to, false));
	CHECK(!icr_reaches(&from, 0x20010ull << 32 | 1 << 11, &to, false));
}

TEST(messages)
{
	struct lapic_ipi ipi = lapic_msi(0xfee05004, 0xc141, false);

	CHECK_EQ(ipi.dest, 5);
	CHECK(ipi.logical);
	CHECK_EQ(ipi.delivery, LAPIC_LOWEST);
	CHECK_EQ(ipi.vector, 0x41);
	CHECK(ipi.level && !ipi.deassert && !ipi.broadcast);
	CHECK(lapic_msi(0xfeeff000, 0, false).broadcast);
	CHECK(!lapic_msi(0xfeeff000, 0, true).broadcast);
	CHECK_EQ(lapic_msi(0x123400fee05000, 0, true).dest, 0x123405);
	CHECK(lapic_msi(0xfee05000, 0x8041, false).deassert);
}

TEST(lowest_priority)
{
	struct lapic a = *fresh(0), b = *fresh(1);

	CHECK(!lapic_comes_first(&a, &b));
	lapic_write(&a, LAPIC_TPR, 0x20);
	CHECK(lapic_comes_first(&b, &a));
	lapic_write(&b, LAPIC_TPR, 0x20);
	a.arbitration = 1;
	CHECK(lapic_comes_first(&b, &a));
}

TEST(state_moves)
{
	u8 page[LAPIC_REGS_BYTES], again[LAPIC_REGS_BYTES];
	struct lapic *apic = fresh(7);
	struct lapic from;
	u32 id = 8;

	lapic_write(apic, LAPIC_LVT_TIMER, 0x20031);
	lapic_write(apic, LAPIC_TIMER_INITIAL, 1000);
	lapic_write(apic, LAPIC_TPR, 0x10);
	lapic_write(apic, LAPIC_LDR, 0x55000000);
	lapic_accept(apic, 0x77, true);
	lapic_accept(apic, 0xff, false);
	lapic_take(apic, 0xff);
	from = *apic;
	lapic_get_state(&from, page, 500, false);
	apic = fresh(7);
	CHECK_EQ(lapic_set_state(apic, page, false), 0);
	lapic_get_state(apic, again, 500, false);
	CHECK(!memcmp(page, again, sizeof(page)));
	CHECK(!memcmp(from.irr, apic->irr, sizeof(from.irr)));
	CHECK(!memcmp(from.isr, apic->isr, sizeof(from.isr)));
	CHECK(!memcmp(from.tmr, apic->tmr, sizeof(from.tmr)));

	/* An x2APIC's id: in the page's form, and its own alone. */
	apic = fresh_x2apic(7);
	lapic_get_state(apic, page, 0, false);
	CHECK_EQ(page[LAPIC_ID + 3], 7);
	CHECK_EQ(lapic_set_state(apic, page, true), -EINVAL);
	CHECK_EQ(lapic_set_state(apic, page, false), 0);
	lapic_get_state(apic, page, 0, true);
	CHECK_EQ(page[LAPIC_ID], 7);
	CHECK_EQ(lapic_set_state(apic, page, true), 0);
	memcpy(page + LAPIC_ID, &id, sizeof(id));
	CHECK_EQ(lapic_set_state(apic, page, true), -EINVAL);
	CHECK_EQ(lapic_read(apic, LAPIC_ID), 7);
}

/* Whatever page comes, nothing comes in that a guest could not make. */
TEST(hostile_state)
{
	u8 page[LAPIC_REGS_BYTES];
	struct lapic *apic = fresh(0);

	memset(page, 0xff, sizeof(page));
	CHECK_EQ(lapic_set_state(apic, page, false), 0);
	CHECK_EQ(lapic_read(apic, LAPIC_VERSION), 0x50014);
	CHECK_EQ(lapic_read(apic, LAPIC_TPR), 0xff);
	CHECK_EQ(lapic_read(apic, LAPIC_LVT_TIMER), 0x300ff);
	CHECK_EQ(lapic_read(apic, LAPIC_SVR), 0x3ff);
	CHECK_EQ(lapic_read(apic, LAPIC_ICR_LOW) & BIT(12), 0);
	CHECK_EQ(lapic_next(apic), -1);
	memset(page, 0, sizeof(page));
	CHECK_EQ(lapic_set_state(apic, page, false), 0);
	CHECK(!lapic_enabled(apic));
}
