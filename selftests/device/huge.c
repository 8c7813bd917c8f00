// SPDX-License-Identifier: GPL-2.0
/* Huge memory for the tests of large pages: see huge.h. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "huge.h"

/* Does the first line of a file have this word? */
static bool file_has(const char *path, const char *word)
{
	char text[128] = "";
	FILE *file = fopen(path, "r");

	if (!file)
		return false;
	if (!fgets(text, sizeof(text), file))
		text[0] = 0;
	fclose(file);
	return strstr(text, word);
}

bool huge_param(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/module/vellum/parameters/%s", name);
	return access(path, R_OK) || file_has(path, "Y");
}

static bool file_put(const char *path, const char *word)
{
	FILE *file = fopen(path, "w");

	if (!file)
		return false;
	fputs(word, file);
	return !fclose(file);
}

#define THP_ENABLED "/sys/kernel/mm/transparent_hugepage/enabled"

bool huge_have_thp(void)
{
	return !access(THP_ENABLED, R_OK) &&
	       (!file_has(THP_ENABLED, "[never]") || file_put(THP_ENABLED, "madvise"));
}

int huge_alloc(struct huge *huge, enum huge_kind kind, size_t bytes)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS;
	char pages[24];

	*huge = (struct huge){ .bytes = bytes };
	if (kind == HUGETLB) {
		snprintf(pages, sizeof(pages), "%zu", 2 * bytes / HUGE_BYTES);
		file_put("/proc/sys/vm/nr_hugepages", pages);
		flags |= MAP_HUGETLB;
	} else {
		huge->bytes += HUGE_BYTES; /* to align in */
	}
	huge->area = mmap(NULL, huge->bytes, PROT_READ | PROT_WRITE, flags, -1, 0);
	if (huge->area == MAP_FAILED)
		return -errno;
	huge->data = (char *)(((uintptr_t)huge->area + HUGE_BYTES - 1) & -HUGE_BYTES);
	if (kind == THP)
		madvise(huge->data, bytes, MADV_HUGEPAGE);
	memset(huge->data, 0, bytes);
	return 0;
}

void huge_free(struct huge *huge)
{
	if (huge->data)
		munmap(huge->area, huge->bytes);
	huge->data = NULL;
}
