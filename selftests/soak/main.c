// SPDX-License-Identifier: GPL-2.0
/*
 * The soak's rounds: see soak.h. A write that was lost shows only until its page is
 * written again; so the vCPUs stop after a while, the last harvests are made, and
 * every copy is compared. Then a new VM begins the next round. Prints TAP.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "../../tools/lib/tracker.h"
#include "soak.h"

#define ROUND_MS 4000
#define HUGE	 (2ul << 20)

static unsigned int tests, failed;

static void verdict(bool good, const char *what, const char *of)
{
	tests++;
	failed += !good;
	printf("%sok %u - %s%s\n", good ? "" : "not ", tests, of, what);
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000ull + now.tv_nsec / 1000000;
}

static void *follower_main(void *arg)
{
	struct follower *follower = arg;
	struct soak *soak = follower->soak;

	while (!soak->over) {
		pthread_rwlock_rdlock(&soak->logging);
		follow_once(follower);
		pthread_rwlock_unlock(&soak->logging);
		usleep(rng_below(&follower->rng, 20000));
	}
	return NULL;
}

static void *presser_main(void *arg)
{
	struct soak *soak = arg;
	struct rng rng = { .state = rng_next(&soak->rng) };

	while (!soak->over) {
		press(soak, &rng);
		usleep(rng_below(&rng, 100000));
	}
	return NULL;
}

/* What is written while logging is off is nobody's to know: all is copied when it is on again. */
static void toggle(struct soak *soak)
{
	unsigned int i;
	int ret;

	pthread_rwlock_wrlock(&soak->logging);
	ret = bench_set_flags(&soak->bench, 0);
	usleep(rng_below(&soak->rng, 30000));
	ret = ret ?: bench_set_flags(&soak->bench, KVM_MEM_LOG_DIRTY_PAGES);
	for (i = 0; i < FOLLOWERS; i++)
		follow_copy_all(&soak->follower[i]);
	pthread_rwlock_unlock(&soak->logging);
	if (ret && !soak->error)
		soak->error = ret;
	soak->toggles++;
}

/* Aligned, so that the host may map it by huge pages; shared every other time. */
static void *data_memory(bool shared)
{
	char *memory = mmap(NULL, BYTES + HUGE, PROT_READ | PROT_WRITE,
			    MAP_ANONYMOUS | (shared ? MAP_SHARED : MAP_PRIVATE), -1, 0);
	char *aligned = (char *)(((uintptr_t)memory + HUGE - 1) & -HUGE);

	if (memory == MAP_FAILED)
		return NULL;
	if (aligned != memory)
		munmap(memory, aligned - memory);
	munmap(aligned + BYTES, memory + HUGE - aligned);
	return aligned;
}

static int open_round(struct soak *soak, bool shared)
{
	static const uint64_t manual[] = {
		0, KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE,
		KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE | KVM_DIRTY_LOG_INITIALLY_SET,
	};
	struct bench_config config = {
		.vcpus = VCPUS, .data_pages = PAGES, .data_flags = KVM_MEM_LOG_DIRTY_PAGES,
		.ring_entries = RING_ENTRIES, .data_host = data_memory(shared),
		.manual = soak->manual = manual[rng_below(&soak->rng, 3)],
	};
	uint32_t flags = VELLUM_TRACKER_NEW;
	unsigned int i;
	int ret;

	if (!config.data_host)
		return -ENOMEM;
	ret = bench_open(&soak->bench, &config);
	if (ret)
		return ret;
	soak->tracker = tracker_open(&soak->bench.vm, 0, &flags);
	if (soak->tracker < 0)
		return soak->tracker;
	BENCH_LOAD(&soak->bench, random);
	for (i = 0; i < FOLLOWERS; i++)
		follow_copy_all(&soak->follower[i]);
	for (i = 0; i < VCPUS && !ret; i++) {
		bench_random(&soak->bench, i, rng_next(&soak->rng));
		/* The whole counter: only STOP ends it. */
		MBOX(&soak->bench, i, COUNT) = 0;
		ret = bench_start(&soak->bench, i);
		ret = ret ?: runner_start(&soak->runner[i], &soak->bench, i);
	}
	return ret;
}

static bool all_stopped(const struct soak *soak)
{
	unsigned int i;

	for (i = 0; i < VCPUS; i++)
		if (!soak->runner[i].finished)
			return false;
	return true;
}

/* The vCPUs stop; the last harvest of each; the comparison. */
static int close_round(struct soak *soak, uint64_t *writes)
{
	void *memory = soak->bench.data.host;
	unsigned int i, wrong;
	int ret = 0;

	for (i = 0; i < VCPUS; i++)
		MBOX(&soak->bench, i, STOP) = 1;
	/* A full ring must not keep a vCPU from its end. */
	while (!all_stopped(soak)) {
		follow_once(&soak->follower[BY_RING]);
		usleep(200);
	}
	for (i = 0; i < VCPUS; i++) {
		ret = ret ?: runner_join(&soak->runner[i]);
		*writes += MBOX(&soak->bench, i, VALUE);
	}
	for (i = 0; i < FOLLOWERS; i++) {
		follow_once(&soak->follower[i]);
		wrong = follow_compare(&soak->follower[i]);
		if (wrong)
			printf("# by %s: %u pages are not as it believes\n",
			       soak->follower[i].name, wrong);
	}
	close(soak->tracker);
	bench_close(&soak->bench);
	munmap(memory, BYTES);
	return ret;
}

static int do_round(struct soak *soak, uint64_t until, uint64_t *writes)
{
	pthread_t presser;
	unsigned int i;
	int ret;

	soak->over = false;
	ret = open_round(soak, rng_below(&soak->rng, 2));
	if (ret)
		return ret;
	for (i = 0; i < FOLLOWERS; i++) {
		soak->follower[i].rng.state = rng_next(&soak->rng);
		ret = ret ?: -pthread_create(&soak->follower[i].thread, NULL, follower_main,
					     &soak->follower[i]);
	}
	ret = ret ?: -pthread_create(&presser, NULL, presser_main, soak);
	if (ret)
		return ret;
	while (now_ms() < until) {
		usleep(rng_below(&soak->rng, 1000000));
		toggle(soak);
	}
	soak->over = true;
	for (i = 0; i < FOLLOWERS; i++)
		pthread_join(soak->follower[i].thread, NULL);
	pthread_join(presser, NULL);
	return close_round(soak, writes);
}

static void judge(const struct soak *soak, int error, uint64_t writes)
{
	unsigned int i;

	printf("# %-8s %10s %10s %10s %6s\n", "by", "harvests", "pages", "lost", "errno");
	for (i = 0; i < FOLLOWERS; i++) {
		const struct follower *follower = &soak->follower[i];

		printf("# %-8s %10lu %10lu %10lu %6d\n", follower->name, follower->harvests,
		       follower->reported, follower->lost, -follower->error);
		verdict(!follower->lost && !follower->error && follower->reported,
			": the memory is what it believes", follower->name);
	}
	verdict(!error && !soak->error, "no call failed", "");
	verdict(writes > PAGES, "the guests wrote", "");
	verdict(soak->toggles && soak->pressed, "logging went off and on, under pressure", "");
	verdict(bench_run_new_vm() == KVM_EXIT_HLT, "a new VM runs afterwards", "");
}

static int usage(void)
{
	fprintf(stderr, "usage: soak [--seconds N] [--seed N]\n");
	return 2;
}

int main(int argc, char **argv)
{
	uint64_t seed = 20261120, seconds = 10, writes = 0, end, until;
	static struct soak soak;
	unsigned int round = 0;
	int i, ret = 0;

	for (i = 1; i + 1 < argc; i += 2) {
		if (!strcmp(argv[i], "--seconds"))
			seconds = strtoull(argv[i + 1], NULL, 0);
		else if (!strcmp(argv[i], "--seed"))
			seed = strtoull(argv[i + 1], NULL, 0);
		else
			return usage();
	}
	if (i != argc || !seconds)
		return usage();
	setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
	printf("TAP version 13\n# --seconds %lu --seed %lu\n", seconds, seed);
	soak.rng.state = seed;
	pthread_rwlock_init(&soak.logging, NULL);
	follow_init(&soak);
	for (end = now_ms() + seconds * 1000; now_ms() < end && !ret; round++) {
		until = now_ms() + ROUND_MS;
		ret = do_round(&soak, until < end ? until : end, &writes);
		printf("# round %u: so far %lu writes, %lu toggles, pressed %lu times\n",
		       round, writes, soak.toggles, soak.pressed);
	}
	judge(&soak, ret, writes);
	printf("1..%u\n", tests);
	return failed != 0;
}
