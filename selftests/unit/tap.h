/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A small test framework that prints TAP.  TEST(name) { … } registers itself;
 * CHECK() notes a failure and goes on, REQUIRE() leaves the test.  At the end
 * of each test nothing may be left allocated and no lock held.
 */
#ifndef VELLUM_UNIT_TAP_H
#define VELLUM_UNIT_TAP_H

#include <stdbool.h>

#include "env.h"

struct tap_test {
	const char *name;
	void (*run)(void);
	struct tap_test *next;
};

void tap_register(struct tap_test *test);
void tap_failed(const char *file, int line, const char *fmt, ...) __printf(3, 4);
/* Ends the process in the middle of a test: "not ok", with @why. */
void tap_abort(const char *why) __attribute__((__noreturn__));
/* Called by tap_abort() before the process ends, to say what led there. */
extern void (*tap_on_abort)(void);
/* For a program whose tests are not TEST()s: runs one, prints its line. */
void tap_run(const char *name, void (*run)(void));
/* The plan; returns the exit status. */
int tap_done(void);

#define TEST(id) \
	static void test_##id(void); \
	static struct tap_test tap_##id = { .name = #id, .run = test_##id }; \
	__attribute__((__constructor__)) static void register_##id(void) \
	{ \
		tap_register(&tap_##id); \
	} \
	static void test_##id(void)

#define CHECK(cond) \
	do { \
		if (!(cond)) \
			tap_failed(__FILE__, __LINE__, "%s", #cond); \
	} while (0)

#define CHECK_MSG(cond, fmt, ...) \
	do { \
		if (!(cond)) \
			tap_failed(__FILE__, __LINE__, "%s: " fmt, #cond, ##__VA_ARGS__); \
	} while (0)

#define CHECK_EQ(a, b) \
	do { \
		unsigned long long eq_a = (a), eq_b = (b); \
		if (eq_a != eq_b) \
			tap_failed(__FILE__, __LINE__, "%s is %#llx, not %#llx", #a, eq_a, eq_b); \
	} while (0)

#define REQUIRE(cond) \
	do { \
		if (!(cond)) { \
			tap_failed(__FILE__, __LINE__, "%s", #cond); \
			return; \
		} \
	} while (0)

#endif
