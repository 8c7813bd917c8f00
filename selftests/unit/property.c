// SPDX-License-Identifier: GPL-2.0
/*
 * The property test: random maps, guest accesses, harvests, notifications and
 * changes of slots, against the oracle of world.h, in each tracking mode.
 */
#include <getopt.h>
#include <time.h>

#include "tap.h"
#include "world.h"

/* Operations in one VM's life; then it is taken down and checked for leaks. */
#define OPS_PER_WORLD 20000
/* One VM in so many has a slot of 1G, where operations take longer: it has fewer. */
#define GIANT_EVERY   20
#define OPS_PER_GIANT 5000

static u64 seed, state, ops = 1000000;
static enum world_mode mode;
static struct world world;

static u64 splitmix(u64 *s)
{
	u64 z = *s += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

static u32 rnd(u32 n)
{
	return (splitmix(&state) >> 32) * n >> 32;
}

static void print_stats(const struct world_stats *s)
{
	printf("# %llu writes, %llu reads, %llu faults (%llu restored), %llu logged (%llu full), "
	       "%llu pushed\n",
	       s->writes, s->reads, s->faults, s->restored, s->logged, s->log_full, s->pushes);
	printf("# %llu GET, %llu CLEAR, %llu RESET: %llu pages, %llu entries; %llu rings full\n",
	       s->gets, s->clears, s->resets, s->reported, s->given_back, s->ring_full);
	printf("# slots: %llu made, %llu deleted, %llu moved, logging on %llu, off %llu times\n",
	       s->slots_made, s->slots_gone, s->slots_moved, s->log_on, s->log_off);
	printf("# %llu invalidations, %llu aged, %llu copied, %llu MMIO, %llu errors, %llu spins\n",
	       s->invalidations, s->aged, s->copied, s->mmio, s->errors, s->spins);
	printf("# %llu walks to large leaves, %llu restored, %llu split, %llu by the host\n",
	       s->large, s->restored_large, s->splits, s->host_splits);
	printf("# %llu walks to leaves of 1G, %llu of them split, %llu collapses\n", s->giant,
	       s->giant_splits, s->giant_collapses);
	printf("# %llu changes without memory, %llu races, %llu lost, %llu operations overtaken\n",
	       s->enomem, s->races, s->lost_races, s->overtaken);
	printf("# L2: %llu writes, %llu reads, %llu faults (%llu restored), %llu races, "
	       "%llu walks to large leaves; %llu logged (%llu full); %llu changes by L1, "
	       "%llu INVEPT\n",
	       s->l2_writes, s->l2_reads, s->l2_faults, s->l2_restored, s->l2_races, s->l2_large,
	       s->l2_logged, s->l2_full, s->l1_changes, s->invepts);
	printf("# trackers: %llu made, %llu times taken, %llu settled, %llu marks; "
	       "%llu ranges taken\n",
	       s->trackers, s->takes, s->settled, s->marked, s->ranges);
}

/* A test that never came to the point proves nothing. */
static void check_stats(const struct world_stats *s)
{
	bool ring = mode != MODE_SCAN;

	if (ops < 1000000)
		return;
	CHECK(s->writes && s->reads && s->faults && s->mmio && s->errors && s->races);
	CHECK(s->gets && s->clears && s->reported && s->invalidations && s->aged && s->copied);
	CHECK(s->slots_made && s->slots_gone && s->slots_moved && s->log_on && s->log_off);
	CHECK(s->enomem && s->lost_races && s->overtaken);
	CHECK(s->trackers && s->takes && s->settled && s->marked);
	if (mode == MODE_WRPROT || mode == MODE_SOFT)
		CHECK(s->restored);
	CHECK(s->l2_writes && s->l2_reads && s->l2_faults && s->l2_restored && s->l2_races);
	CHECK(s->l2_large && s->l1_changes && s->invepts);
	CHECK(s->large && s->collapses && s->splits && s->host_splits);
	CHECK(s->giant);
	if (ops >= 10000000)
		CHECK(s->giant_splits && s->giant_collapses);
	if (mode == MODE_SOFT)
		CHECK(s->restored_large);
	if (mode == MODE_PML)
		CHECK(s->logged && s->log_full && s->l2_logged);
	if (ring)
		CHECK(s->pushes && s->resets && s->given_back && s->ring_full);
}

static void run_mode(void)
{
	u64 done = 0, n, i;

	state = seed;
	world.stats = (struct world_stats){};
	for (n = 1; done < ops; n++) {
		bool giant = n % GIANT_EVERY == 3;

		world_init(&world, mode, giant, rnd);
		for (i = 0; i < (giant ? OPS_PER_GIANT : OPS_PER_WORLD) && done < ops; i++, done++)
			world_op(&world);
		world_exit(&world);
	}
	print_stats(&world.stats);
	check_stats(&world.stats);
}

static void usage(FILE *to)
{
	fprintf(to, "property [--ops N] [--seed N] [--mode pml|d-scan|wrprot|soft]\n"
		    "  --ops N   operations in each mode (1000000)\n"
		    "  --seed N  repeats a run; without it the clock's\n"
		    "  --mode M  this mode only\n");
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "ops", required_argument, NULL, 'o' },
		{ "seed", required_argument, NULL, 's' },
		{ "mode", required_argument, NULL, 'm' },
		{ "help", no_argument, NULL, 'h' },
		{},
	};
	const char *only = NULL;
	int opt;

	seed = (u64)time(NULL) << 20 ^ clock();
	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (opt) {
		case 'o':
			ops = strtoull(optarg, NULL, 0);
			break;
		case 's':
			seed = strtoull(optarg, NULL, 0);
			break;
		case 'm':
			only = optarg;
			break;
		default:
			usage(opt == 'h' ? stdout : stderr);
			return opt == 'h' ? 0 : 2;
		}
	}
	printf("# seed %llu, %llu operations in each mode\n", seed, ops);
	for (mode = 0; mode < NR_MODES; mode++)
		if (!only || !strcmp(only, world_mode_names[mode]))
			tap_run(world_mode_names[mode], run_mode);
	return tap_done();
}
