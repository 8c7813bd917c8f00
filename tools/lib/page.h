/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Pages of guest memory, copied and compared by one string instruction of eight
 * bytes a step. The C library would take "rep movsb" for this size, which is
 * eight times the work on a machine that is emulated.
 */
#ifndef TOOLS_LIB_PAGE_H
#define TOOLS_LIB_PAGE_H

#include "kvm.h"

static inline void page_copy(void *to, const volatile void *from)
{
	unsigned long words = PAGE_SIZE / 8;

	asm volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(words) : : "memory");
}

static inline bool page_same(const volatile void *a, const volatile void *b)
{
	unsigned long words = PAGE_SIZE / 8;
	bool same;

	asm volatile("repe cmpsq" : "+D"(a), "+S"(b), "+c"(words), "=@ccz"(same) : : "memory");
	return same;
}

#endif
