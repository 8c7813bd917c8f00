// SPDX-License-Identifier: GPL-2.0
/*
 * What a host does to a process's memory while a guest uses it. Each of these is
 * harmless to the content; what the kernel refuses is not done.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "soak.h"

#ifndef MADV_PAGEOUT
#define MADV_COLD	20
#define MADV_PAGEOUT	21
#endif

static void tell(const char *file, const char *what)
{
	int fd = open(file, O_WRONLY);

	if (fd < 0)
		return;
	if (write(fd, what, strlen(what)) < 0)
		fprintf(stderr, "# %s: not written\n", file);
	close(fd);
}

/* Pages [from, from + n) of the data slot. */
struct range {
	void *at;
	size_t bytes;
};

static struct range some_range(struct soak *soak, struct rng *rng)
{
	uint32_t from = rng_below(rng, PAGES), n = 1 + rng_below(rng, PAGES - from);

	return (struct range){ (char *)soak->bench.data.host + from * PAGE_SIZE, n * PAGE_SIZE };
}

static void compact(void)
{
	tell("/proc/sys/vm/compact_memory", "1");
}

/* Page cache, and what the shrinkers give. */
static void drop_caches(void)
{
	tell("/proc/sys/vm/drop_caches", "3");
}

static size_t available_kib(void)
{
	FILE *file = fopen("/proc/meminfo", "r");
	size_t kib = 0;
	char line[128];

	if (!file)
		return 0;
	while (fgets(line, sizeof(line), file) && sscanf(line, "MemAvailable: %zu", &kib) != 1)
		;
	fclose(file);
	return kib;
}

/* A process that takes most of what is left, and goes. */
static void eat_memory(void)
{
	size_t bytes = available_kib() / 8 * 7 * 1024, at;
	pid_t child = fork();
	char *memory;

	if (!child) {
		memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			      -1, 0);
		for (at = 0; memory != MAP_FAILED && at < bytes; at += PAGE_SIZE)
			memory[at] = 1;
		_exit(0);
	}
	if (child > 0)
		waitpid(child, NULL, 0);
}

/* Every page is shared for a moment: the next write to it copies it. */
static void copy_on_write(void)
{
	pid_t child = fork();

	if (!child)
		_exit(0);
	if (child > 0)
		waitpid(child, NULL, 0);
}

/* Another protection, under which the guest may write as well. */
static void protect(struct range range)
{
	mprotect(range.at, range.bytes, PROT_READ | PROT_WRITE | PROT_EXEC);
	mprotect(range.at, range.bytes, PROT_READ | PROT_WRITE);
}

void press(struct soak *soak, struct rng *rng)
{
	struct range range = some_range(soak, rng);

	soak->pressed++;
	switch (rng_below(rng, 32)) {
	case 0:
		eat_memory();
		break;
	case 1 ... 4:
		compact();
		break;
	case 5 ... 8:
		drop_caches();
		break;
	case 9 ... 12:
		copy_on_write();
		break;
	case 13 ... 16:
		madvise(range.at, range.bytes, MADV_HUGEPAGE);
		break;
	case 17 ... 20:
		madvise(range.at, range.bytes, MADV_NOHUGEPAGE);
		break;
	case 21 ... 24:
		madvise(range.at, range.bytes, MADV_COLD);
		break;
	case 25 ... 28:
		madvise(range.at, range.bytes, MADV_PAGEOUT);
		break;
	default:
		protect(range);
	}
}
