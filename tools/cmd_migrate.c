// SPDX-License-Identifier: GPL-2.0
/*
 * vellum migrate: move a guest that keeps writing into a second VM, by what its
 * dirty ring reports and nothing else, and prove that nothing was lost.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cmd.h"
#include "migrate.h"
#include "say.h"

#define CARRY_ON_EPOCHS 8 /* that the guest runs in the second VM before its check */

#define TWICE_HOT UINT64_MAX /* of plan.threshold: none was given */

struct plan {
	struct demo_options demo;
	uint64_t rounds;
	uint64_t backup;    /* 1: an incremental one, at the same time */
	uint64_t threshold; /* pages: so little is left that the guest may be paused */
};

static struct cpu_state states[DEMO_VCPUS];

static int parse(int argc, char **argv, struct plan *plan)
{
	uint64_t ring = 65536, vcpus = 1;
	const struct option_spec specs[] = {
		{ "mem", &plan->demo.mem_mib, 4, 1024, 0 },
		{ "vcpus", &vcpus, 1, DEMO_VCPUS, 0 },
		{ "ring", &ring, 1, 1 << 24, 0 },
		{ "rounds", &plan->rounds, 1, 1000, 0 },
		{ "backup", &plan->backup, 0, 1, 1 },
		{ "threshold", &plan->threshold, 0, 1 << 20, 0 },
		{ "hot", &plan->demo.hot, 1, 1 << 20, 0 },
		{ "sweep", &plan->demo.sweep, 1, 1 << 20, 0 },
		{ "seed", &plan->demo.seed, 0, UINT64_MAX, 0 },
		{},
	};
	int others = options_parse(argc, argv, specs);

	if (others > 0)
		return say("migrate takes options only, not %s: see vellum --help", argv[0]);
	if (plan->demo.sweep & (plan->demo.sweep - 1))
		return say("--sweep %llu is not possible: give a power of two",
			   (unsigned long long)plan->demo.sweep);
	plan->demo.vcpus = vcpus;
	/* The hot pages are dirty again whenever one looks; the sweep is what can get less. */
	if (plan->threshold == TWICE_HOT)
		plan->threshold = 2 * plan->demo.hot * vcpus;
	plan->demo.ring_entries = ring;
	return others;
}

/* A guest that has written all of its memory once and goes on. */
static int start_first(struct migration *m, const struct plan *plan)
{
	printf("The guest starts (%llu MiB, %u vCPU%s, seed %llu) and writes all pages once ...\n",
	       (unsigned long long)plan->demo.mem_mib, plan->demo.vcpus,
	       plan->demo.vcpus == 1 ? "" : "s", (unsigned long long)plan->demo.seed);
	fflush(stdout);
	if (demo_load(&m->from, &plan->demo) || demo_start(&m->from))
		return -1;
	return demo_wait_epochs(&m->from, 2);
}

/* Round 1 is all memory, from the moment at which logging is on. */
static int copy_while_running(struct migration *m, const struct plan *plan, struct round *round)
{
	const struct timespec breath = { .tv_nsec = 2000000 };

	table_head();
	for (;;) {
		round_begin(m, round);
		if (round->number == 1) {
			if (demo_set_logging(&m->from, true) ||
			    (m->backs_up && backup_begin(&m->backup, &m->from)))
				return -1;
			round_take_all(m);
		} else if ((m->backs_up && backup_round(&m->backup, &m->from)) ||
			   round_harvest(m, round)) {
			return -1;
		}
		round_copy(m, round);
		round_end(m, round);
		table_round(round);
		if (demo_failed(&m->from))
			return -1;
		if (round->copied <= plan->threshold || round->number >= plan->rounds)
			return 0;
		/* On one CPU the guest needs a turn to write something. */
		nanosleep(&breath, NULL);
	}
}

/* The guest stands still; what the last round left is all there is. */
static int copy_rest(struct migration *m, struct round *round)
{
	demo_pause(&m->from);
	if (demo_failed(&m->from))
		return -1;
	round_begin(m, round);
	/* A ring may hold less than the CPU had logged for it: until nothing comes. */
	for (;;) {
		uint64_t before = round->reported;
		struct round part = {};

		if (round_harvest(m, &part))
			return -1;
		round->reported += part.reported;
		if (part.ring_max > round->ring_max)
			round->ring_max = part.ring_max;
		if (round->reported == before)
			break;
	}
	round_copy(m, round);
	round_end(m, round);
	table_round(round);
	return m->backs_up ? backup_round(&m->backup, &m->from) : 0;
}

static int move_cpus(struct migration *m)
{
	unsigned int i;
	int ret;

	for (i = 0; i < m->from.vcpus; i++) {
		ret = cpu_save(&m->from.vm, &m->from.vcpu[i], &states[i]);
		if (ret)
			return say_errno(ret, "the state of vCPU %u cannot be read: see dmesg", i);
		ret = cpu_restore(&m->to.vcpu[i], &states[i]);
		if (ret < 0)
			return say_errno(ret, "the state of vCPU %u cannot be set: see dmesg", i);
		if (ret > 0)
			printf("The second VM refused %d of %u MSRs of vCPU %u.\n", ret,
			       states[i].msrs.head.nmsrs, i);
	}
	return 0;
}

/* Returns the number of faults that guest and host found, or -1. */
static int64_t carry_on(struct migration *m)
{
	int64_t faults = 0;
	unsigned int i;

	if (demo_start(&m->to) || demo_wait_epochs(&m->to, CARRY_ON_EPOCHS) ||
	    demo_self_check(&m->to))
		return -1;
	for (i = 0; i < m->to.vcpus; i++)
		faults += m->to.faults[i];
	return faults + demo_check_memory(&m->to);
}

static int verdict(struct migration *m)
{
	unsigned long long pages = demo_pages(&m->from), different, before, after;
	int64_t faults;

	printf("Comparing all %llu pages ...\n", pages);
	fflush(stdout);
	different = migration_compare(m);
	if (different) {
		printf("NOT identical: %llu of %llu pages of the second VM are different.\n",
		       different, pages);
		return EXIT_BAD;
	}
	before = demo_counter(&m->to);
	printf("The guest carries on in the second VM and checks itself ...\n");
	fflush(stdout);
	faults = carry_on(m);
	after = demo_counter(&m->to);
	if (faults || after <= before) {
		printf("NOT identical: all pages matched, but the guest that carried on found "
		       "%lld faults (counter %llu -> %llu).\n",
		       (long long)faults, before, after);
		return EXIT_BAD;
	}
	printf("identical: all %llu pages of the second VM match the first, and its guest "
	       "carried on (counter %llu -> %llu).\n",
	       pages, before, after);
	return EXIT_GOOD;
}

static int migrate(struct migration *m, const struct plan *plan)
{
	struct round round = {};
	bool failed;

	failed = copy_while_running(m, plan, &round) || copy_rest(m, &round);
	if (!failed) {
		table_returns(&m->from);
		table_stalls(m);
		failed = move_cpus(m) || (m->backs_up && backup_verdict(&m->backup, &m->from));
	}
	demo_stop(&m->from);
	return failed ? EXIT_BAD : verdict(m);
}

int cmd_migrate(int argc, char **argv)
{
	struct plan plan = {
		.demo = { .mem_mib = 64, .hot = 128, .sweep = 128, .seed = 1 },
		.rounds = 30,
		.threshold = TWICE_HOT,
	};
	struct demo_options second;
	static struct migration m;
	int status = EXIT_BAD;

	if (parse(argc, argv, &plan) < 0)
		return EXIT_USAGE;
	m.backs_up = plan.backup;
	second = plan.demo;
	second.ring_entries = 0;
	if (demo_open(&m.from, &plan.demo))
		return EXIT_BAD;
	if (!demo_open(&m.to, &second)) {
		if (!migration_init(&m)) {
			if (!start_first(&m, &plan))
				status = migrate(&m, &plan);
			backup_end(&m.backup, &m.from);
			migration_free(&m);
		}
		demo_close(&m.to);
	}
	demo_close(&m.from);
	return status;
}
