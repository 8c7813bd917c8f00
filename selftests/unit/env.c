// SPDX-License-Identifier: GPL-2.0
/*
 * What env.h declares: allocation that can be made to fail, the arena of EPT
 * tables, and the way out when a rule was broken.
 */
#include <stdarg.h>

#include "env.h"
#include "tap.h"

#if defined(__SANITIZE_ADDRESS__)
#define HAVE_ASAN
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAVE_ASAN
#endif
#endif
#ifdef HAVE_ASAN
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(p, n)	  ((void)(p), (void)(n))
#define ASAN_UNPOISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#endif

#define ARENA_TABLES 4096
#define ARENA_PA     0x100000000ull
#define TABLE_POISON 0x6b

void (*env_race_hook)(void);
__thread int env_readers;
__thread int env_writers;

static unsigned long alloc_count;
static unsigned long alloc_fail_at;
static long alive;

static u64 arena[ARENA_TABLES][512] __attribute__((__aligned__(4096)));
static bool table_live[ARENA_TABLES];
static void *table_beside[ARENA_TABLES];
static unsigned int table_next;
static pthread_mutex_t arena_lock = PTHREAD_MUTEX_INITIALIZER;

void env_die(const char *fmt, ...)
{
	char line[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	tap_abort(line);
}

void env_fail_at(unsigned long n)
{
	__atomic_store_n(&alloc_count, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&alloc_fail_at, n, __ATOMIC_RELAXED);
}

unsigned long env_allocs(void)
{
	return __atomic_load_n(&alloc_count, __ATOMIC_RELAXED);
}

long env_alive(void)
{
	return __atomic_load_n(&alive, __ATOMIC_RELAXED);
}

/* True when the allocation that is being asked for may succeed. */
static bool alloc_allowed(void)
{
	unsigned long n = __atomic_add_fetch(&alloc_count, 1, __ATOMIC_RELAXED);

	if (n == __atomic_load_n(&alloc_fail_at, __ATOMIC_RELAXED))
		return false;
	__atomic_add_fetch(&alive, 1, __ATOMIC_RELAXED);
	return true;
}

void *env_alloc(size_t size, bool atomic)
{
	void *p;

	if (!atomic)
		might_sleep();
	if (!alloc_allowed())
		return NULL;
	p = calloc(1, size ? size : 1);
	if (!p)
		env_die("the machine itself is out of memory");
	return p;
}

void env_free(const void *p)
{
	if (!p)
		return;
	__atomic_sub_fetch(&alive, 1, __ATOMIC_RELAXED);
	free((void *)p);
}

static unsigned int table_index(const void *table)
{
	uintptr_t offset = (uintptr_t)table - (uintptr_t)arena;

	if (offset >= sizeof(arena) || offset % sizeof(arena[0]))
		env_die("%p is no EPT table", table);
	return offset / sizeof(arena[0]);
}

bool env_table_is_live(const void *table)
{
	return __atomic_load_n(&table_live[table_index(table)], __ATOMIC_RELAXED);
}

void *env_table_alloc(void)
{
	unsigned int i, n;

	might_sleep();
	if (!alloc_allowed())
		return NULL;
	pthread_mutex_lock(&arena_lock);
	/* Round and round: a freed table rests as long as it can. */
	for (n = 0; n < ARENA_TABLES && table_live[table_next % ARENA_TABLES]; n++)
		table_next++;
	i = table_next++ % ARENA_TABLES;
	if (table_live[i])
		env_die("more than %d EPT tables", ARENA_TABLES);
	ASAN_UNPOISON_MEMORY_REGION(arena[i], sizeof(arena[i]));
	memset(arena[i], 0, sizeof(arena[i]));
	table_beside[i] = NULL;
	/* Pairs with env_table_va(): whoever has the address sees the zeroes. */
	__atomic_store_n(&table_live[i], true, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&arena_lock);
	return arena[i];
}

void *env_table_alloc_raw(void)
{
	void *table = env_table_alloc();

	if (table)
		memset(table, TABLE_POISON, sizeof(arena[0]));
	return table;
}

void env_table_free(void *table)
{
	unsigned int i = table_index(table);

	if (!env_table_is_live(table))
		env_die("an EPT table is freed twice");
	memset(table, TABLE_POISON, sizeof(arena[i]));
	ASAN_POISON_MEMORY_REGION(table, sizeof(arena[i]));
	pthread_mutex_lock(&arena_lock);
	__atomic_store_n(&table_live[i], false, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&arena_lock);
	__atomic_sub_fetch(&alive, 1, __ATOMIC_RELAXED);
}

bool env_table_attach(void *table, void *beside)
{
	void *none = NULL;

	return __atomic_compare_exchange_n(&table_beside[table_index(table)], &none, beside, false,
					   __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

void *env_table_attached(const void *table)
{
	return __atomic_load_n(&table_beside[table_index(table)], __ATOMIC_ACQUIRE);
}

u64 env_table_pa(const void *table)
{
	return ARENA_PA + table_index(table) * 4096ull;
}

void *env_table_va(u64 pa)
{
	u64 i = (pa - ARENA_PA) / 4096;

	if (pa < ARENA_PA || i >= ARENA_TABLES || pa % 4096)
		env_die("%#llx is no EPT table's address", pa);
	/* In the kernel the address dependency orders this; ThreadSanitizer knows of none. */
	if (!__atomic_load_n(&table_live[i], __ATOMIC_ACQUIRE))
		env_die("a freed EPT table is used");
	return arena[i];
}
