// SPDX-License-Identifier: GPL-2.0
/* The test framework of tap.h. */
#include <stdarg.h>

#include "tap.h"

#define MAX_MESSAGES 20

void (*tap_on_abort)(void);

static struct tap_test *tests;
static struct tap_test **tests_end = &tests;
static const char *running;
static unsigned int nr_run, nr_failed, messages;

void tap_register(struct tap_test *test)
{
	*tests_end = test;
	tests_end = &test->next;
}

void tap_failed(const char *file, int line, const char *fmt, ...)
{
	va_list ap;

	if (messages++ >= MAX_MESSAGES)
		return;
	printf("# %s:%d: ", file, line);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
}

void tap_abort(const char *why)
{
	printf("# %s\n", why);
	if (tap_on_abort)
		tap_on_abort();
	printf("not ok %u - %s\n1..%u\n", nr_run + 1, running ? running : "?", nr_run + 1);
	fflush(stdout);
	/* For libFuzzer, which must see a crash; TAP's reader has the line above. */
	abort();
}

void tap_run(const char *name, void (*run)(void))
{
	long alive = env_alive();

	running = name;
	messages = 0;
	run();
	env_fail_at(0);
	env_race_hook = NULL;
	if (env_alive() != alive)
		tap_failed(__FILE__, __LINE__, "%ld allocations are left", env_alive() - alive);
	if (env_readers || env_writers)
		env_die("the test ends with a lock held");
	nr_failed += !!messages;
	printf("%sok %u - %s\n", messages ? "not " : "", ++nr_run, name);
	fflush(stdout);
	running = NULL;
}

int tap_done(void)
{
	printf("1..%u\n", nr_run);
	return nr_failed || !nr_run;
}

__attribute__((__weak__)) int main(int argc, char **argv)
{
	struct tap_test *test;

	for (test = tests; test; test = test->next)
		tap_run(test->name, test->run);
	return tap_done();
}
