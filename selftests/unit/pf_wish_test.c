// SPDX-License-Identifier: GPL-2.0
/*
 * Page faults that two sides wish, and one VMCS: every pair of wishes, by every error
 * code.
 */
#include "tap.h"
#include "vmx/pf_wish.h"

/* P, W, U, RSVD and I; and one bit that no mask here has. */
#define CODES  64
#define VALUES 32

/* Masks and matches from all that there are, a step apart that is no divisor. */
static struct pf_wish wish(unsigned int n)
{
	return (struct pf_wish){ .bit = n & 1, .mask = n / 2 % VALUES, .match = n / 2 / VALUES };
}

#define WISHES (2 * VALUES * VALUES)

TEST(none_is_told_from_some)
{
	unsigned int n, error, exits;

	for (n = 0; n < WISHES; n++) {
		struct pf_wish w = wish(n);

		for (exits = 0, error = 0; error < CODES; error++)
			exits += pf_exits(&w, error);
		CHECK_EQ(pf_wishes_none(&w), !exits);
	}
}

/* What one side wishes exits; where the other wishes none, nothing else does. */
static void check_pair(const struct pf_wish *a, const struct pf_wish *b)
{
	struct pf_wish both = pf_both(a, b);
	bool exact = pf_wishes_none(a) || pf_wishes_none(b);
	unsigned int error;

	for (error = 0; error < CODES; error++) {
		bool wished = pf_exits(a, error) || pf_exits(b, error);

		CHECK(!wished || pf_exits(&both, error));
		CHECK(!exact || wished == pf_exits(&both, error));
	}
	if (pf_wishes_none(a) && pf_wishes_none(b))
		CHECK(!both.bit && !both.mask && !both.match);
}

TEST(both_have_theirs)
{
	unsigned int a, b;

	for (a = 0; a < WISHES; a += 7)
		for (b = 0; b < WISHES; b += 5) {
			struct pf_wish one = wish(a), other = wish(b);

			check_pair(&one, &other);
		}
}

TEST(the_same_wish_is_exact)
{
	unsigned int n, error;

	for (n = 0; n < WISHES; n++) {
		struct pf_wish w = wish(n), both = pf_both(&w, &w);

		for (error = 0; error < CODES; error++)
			CHECK_EQ(pf_exits(&both, error), pf_exits(&w, error));
	}
}

/* SDM 3C 25.6.3: where both want some, and not the same, all exit. */
TEST(different_wishes_take_all)
{
	const struct pf_wish a = { true, 9, 1 }, b = { true, 2, 2 };
	struct pf_wish both = pf_both(&a, &b);

	CHECK(both.bit && !both.mask && !both.match);
}

