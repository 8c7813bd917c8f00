/* SPDX-License-Identifier: GPL-2.0 */
/* Memory that the host maps by 2M, and what the module was told about large pages. */
#ifndef SELFTESTS_DEVICE_HUGE_H
#define SELFTESTS_DEVICE_HUGE_H

#include "vm.h"

#define HUGE_BYTES	(2UL << 20)
#define HUGE_PAGES	(HUGE_BYTES / PAGE_SIZE)

enum huge_kind { THP, HUGETLB };

struct huge {
	char *data;	/* populated, of a whole number of HUGE_BYTES */
	char *area;	/* the mapping that it stands in */
	size_t bytes;	/* of that */
};

/* A machine of less than 512 MB has THP off until somebody asks; false: it cannot. */
bool huge_have_thp(void);
/* 0 or -errno. */
int huge_alloc(struct huge *huge, enum huge_kind kind, size_t bytes);
void huge_free(struct huge *huge);
/* A parameter of vellum's is on; KVM has no such, and does the same. */
bool huge_param(const char *name);

#endif
