/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The userspace twin of include/env.h, found before it on the include path:
 * the kernel's names over compiler builtins and pthreads, so that the pure
 * files run under sanitizers and a fuzzer.  It is stricter than the kernel
 * where that finds bugs: every allocation can be made to fail and is counted,
 * a sleep under a lock ends the test, and so does the use of a freed table.
 */
#ifndef VELLUM_ENV_H
#define VELLUM_ENV_H

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <linux/kvm.h>
#include <linux/types.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;
typedef __s8 s8;
typedef __s16 s16;
typedef __s32 s32;
typedef __s64 s64;
typedef unsigned int gfp_t;

/* linux/kvm_types.h */
typedef unsigned long gva_t;
typedef u64 gpa_t;
typedef u64 gfn_t;
typedef u64 hpa_t;

/* mmu/pageset.h: small blocks, so that small slots have several. */
#define PAGESET_BLOCK_SHIFT 9

/* linux/bits.h, linux/kernel.h, linux/mm.h */
#define BITS_PER_LONG		      64
#define BIT(n)			      (1ul << (n))
#define BIT_ULL(n)		      (1ull << (n))
#define GENMASK_ULL(h, l)	      ((~0ull >> (63 - (h))) & (~0ull << (l)))
#define GENMASK(h, l)		      ((unsigned long)GENMASK_ULL(h, l))
#define BIT_MASK(nr)		      (1ul << ((nr) % BITS_PER_LONG))
#define BIT_WORD(nr)		      ((nr) / BITS_PER_LONG)
#define BITS_TO_LONGS(n)	      (((n) + BITS_PER_LONG - 1) / BITS_PER_LONG)
#define PAGE_SHIFT		      12
#define PAGE_SIZE		      (1ul << PAGE_SHIFT)
#define PAGE_MASK		      (~(PAGE_SIZE - 1))
#define PAGE_ALIGNED(x)		      (((unsigned long)(x) & ~PAGE_MASK) == 0)
#define ARRAY_SIZE(a)		      (sizeof(a) / sizeof((a)[0]))
#define sizeof_field(type, member)     sizeof(((type *)0)->member)
#define DIV_ROUND_UP(n, d)	      (((n) + (d)-1) / (d))
#define DIV_ROUND_UP_ULL(n, d)	      DIV_ROUND_UP((unsigned long long)(n), d)
#define ALIGN(x, a)		      (((x) + (typeof(x))(a)-1) & ~((typeof(x))(a)-1))
#define ALIGN_DOWN(x, a)	      ((x) & ~((typeof(x))(a)-1))
#define IS_ALIGNED(x, a)	      (((x) & ((typeof(x))(a)-1)) == 0)
#define round_up(x, a)		      ALIGN(x, a)
#define round_down(x, a)	      ALIGN_DOWN(x, a)
#define struct_size(p, member, n)     (sizeof(*(p)) + (n) * sizeof((p)->member[0]))
#define array_size(a, b)	      ((size_t)(a) * (size_t)(b))
#define check_add_overflow(a, b, d)   __builtin_add_overflow(a, b, d)
#define check_sub_overflow(a, b, d)   __builtin_sub_overflow(a, b, d)
#define check_mul_overflow(a, b, d)   __builtin_mul_overflow(a, b, d)
#define container_of(p, type, member) ((type *)((char *)(p)-offsetof(type, member)))
#ifndef offsetofend
#define offsetofend(type, member) (offsetof(type, member) + sizeof(((type *)0)->member))
#endif
#ifndef EHWPOISON
#define EHWPOISON 133
#endif
#define MAX_ERRNO	4095
#define IS_ERR_VALUE(x) ((unsigned long)(void *)(x) >= (unsigned long)-MAX_ERRNO)
#define ERR_PTR(e)	((void *)(long)(e))
#define PTR_ERR(p)	((long)(p))
#define IS_ERR(p)	IS_ERR_VALUE(p)

/* linux/limits.h, linux/math64.h */
#ifndef U64_MAX
#define U64_MAX ((u64)~0ull)
#endif
#define mul_u64_u64_shr(a, b, shift) ((u64)((unsigned __int128)(a) * (b) >> (shift)))

/* linux/minmax.h: each argument once. */
#define min(a, b) \
	({ \
		typeof(a) min_a = (a); \
		typeof(b) min_b = (b); \
		min_a < min_b ? min_a : min_b; \
	})
#define max(a, b) \
	({ \
		typeof(a) max_a = (a); \
		typeof(b) max_b = (b); \
		max_a > max_b ? max_a : max_b; \
	})
#define min3(a, b, c)	 min(min(a, b), c)
#define min_t(t, a, b)	 min((t)(a), (t)(b))
#define max_t(t, a, b)	 max((t)(a), (t)(b))
#define clamp(v, lo, hi) min(max(v, lo), hi)
#define swap(a, b) \
	do { \
		typeof(a) swap_tmp = (a); \
		(a) = (b); \
		(b) = swap_tmp; \
	} while (0)

/* linux/compiler.h, linux/build_bug.h */
#ifndef __always_inline
#define __always_inline inline __attribute__((__always_inline__))
#endif
#define noinline       __attribute__((__noinline__))
#define __must_check   __attribute__((__warn_unused_result__))
#define __maybe_unused __attribute__((__unused__))
#define __packed       __attribute__((__packed__))
#define __aligned(n)   __attribute__((__aligned__(n)))
#define __printf(a, b) __attribute__((__format__(printf, a, b)))
#define fallthrough    __attribute__((__fallthrough__))
#define likely(x)      __builtin_expect(!!(x), 1)
#define unlikely(x)    __builtin_expect(!!(x), 0)
#define barrier()      __asm__ __volatile__("" ::: "memory")
#define __rcu
#define __user
#define __force
#define __percpu
#define __init
#define __exit
#define EXPORT_SYMBOL_GPL(x)
/* The kernel's takes the message or leaves it. */
#undef static_assert
#define static_assert(expr, ...) ENV_ASSERT(expr, ##__VA_ARGS__, #expr)
#define ENV_ASSERT(expr, msg, ...) _Static_assert(expr, msg)
#define BUILD_BUG_ON(x)		   _Static_assert(!(x), #x)

/* Ends the process with a sentence; a test that broke a rule cannot go on. */
void env_die(const char *fmt, ...) __printf(1, 2) __attribute__((__noreturn__));

#define WARN_ON(x) \
	({ \
		bool warn_on = !!(x); \
		if (warn_on) \
			env_die("WARN_ON(%s) at %s:%d", #x, __FILE__, __LINE__); \
		warn_on; \
	})
#define WARN_ON_ONCE(x)	  WARN_ON(x)
#define WARN(x, ...)	  WARN_ON(x)
#define WARN_ONCE(x, ...) WARN_ON(x)

/*
 * Called before every write that the CPU's own A and D updates, or a record, can race with.
 * A test sets it to let another CPU act at just that moment.
 */
extern void (*env_race_hook)(void);

static inline void env_race_point(void)
{
	if (unlikely(env_race_hook))
		env_race_hook();
}

/* Relaxed atomics: ThreadSanitizer then complains of the plain accesses only. */
#define READ_ONCE(x) __atomic_load_n(&(x), __ATOMIC_RELAXED)
#define WRITE_ONCE(x, v) \
	do { \
		env_race_point(); \
		__atomic_store_n(&(x), (v), __ATOMIC_RELAXED); \
	} while (0)
#define smp_load_acquire(p)		__atomic_load_n(p, __ATOMIC_ACQUIRE)
#define smp_store_release(p, v)		__atomic_store_n(p, v, __ATOMIC_RELEASE)
#define smp_mb()			__atomic_thread_fence(__ATOMIC_SEQ_CST)
#define smp_rmb()			__atomic_thread_fence(__ATOMIC_ACQUIRE)
#define smp_wmb()			__atomic_thread_fence(__ATOMIC_RELEASE)
#define smp_mb__before_atomic()		smp_mb()
#define smp_mb__after_atomic()		smp_mb()
/* The order by dependency that it has in the kernel is none to ThreadSanitizer. */
#define rcu_dereference(p)		smp_load_acquire(&(p))
#define rcu_dereference_protected(p, c) (p)
#define rcu_assign_pointer(p, v)	smp_store_release(&(p), v)

#define xchg(p, v) \
	({ \
		env_race_point(); \
		__atomic_exchange_n(p, v, __ATOMIC_SEQ_CST); \
	})
#define try_cmpxchg(p, oldp, new) \
	({ \
		env_race_point(); \
		__atomic_compare_exchange_n(p, oldp, new, false, __ATOMIC_SEQ_CST, \
					    __ATOMIC_SEQ_CST); \
	})
#define try_cmpxchg64(p, oldp, new) try_cmpxchg(p, oldp, new)
#define cmpxchg(p, o, n) \
	({ \
		typeof(*(p)) cmpxchg_old = (o); \
		(void)try_cmpxchg(p, &cmpxchg_old, n); \
		cmpxchg_old; \
	})
#define cmpxchg64(p, o, n) cmpxchg(p, o, n)

typedef struct {
	long counter;
} atomic_long_t;
typedef struct {
	int counter;
} atomic_t;
typedef struct {
	s64 counter;
} atomic64_t;
#define ATOMIC_INIT(i) \
	{ \
		(i) \
	}
#define ATOMIC_LONG_INIT(i) \
	{ \
		(i) \
	}

#define ENV_ATOMIC(name, type, ctype) \
	static inline ctype name##_read(const type *v) \
	{ \
		return __atomic_load_n(&v->counter, __ATOMIC_RELAXED); \
	} \
	static inline void name##_set(type *v, ctype i) \
	{ \
		__atomic_store_n(&v->counter, i, __ATOMIC_RELAXED); \
	} \
	static inline void name##_add(ctype i, type *v) \
	{ \
		__atomic_fetch_add(&v->counter, i, __ATOMIC_RELAXED); \
	} \
	static inline void name##_sub(ctype i, type *v) \
	{ \
		__atomic_fetch_sub(&v->counter, i, __ATOMIC_RELAXED); \
	} \
	static inline void name##_inc(type *v) \
	{ \
		name##_add(1, v); \
	} \
	static inline void name##_dec(type *v) \
	{ \
		name##_sub(1, v); \
	} \
	static inline ctype name##_fetch_or(ctype i, type *v) \
	{ \
		return __atomic_fetch_or(&v->counter, i, __ATOMIC_SEQ_CST); \
	} \
	static inline ctype name##_fetch_andnot(ctype i, type *v) \
	{ \
		return __atomic_fetch_and(&v->counter, ~i, __ATOMIC_SEQ_CST); \
	}
ENV_ATOMIC(atomic_long, atomic_long_t, long)
ENV_ATOMIC(atomic, atomic_t, int)
ENV_ATOMIC(atomic64, atomic64_t, s64)

/* linux/bitops.h */
static inline void set_bit(long nr, volatile unsigned long *p)
{
	env_race_point();
	__atomic_fetch_or(p + BIT_WORD(nr), BIT_MASK(nr), __ATOMIC_RELAXED);
}

static inline void clear_bit(long nr, volatile unsigned long *p)
{
	__atomic_fetch_and(p + BIT_WORD(nr), ~BIT_MASK(nr), __ATOMIC_RELAXED);
}

static inline bool test_bit(long nr, const volatile unsigned long *p)
{
	return __atomic_load_n(p + BIT_WORD(nr), __ATOMIC_RELAXED) & BIT_MASK(nr);
}

static inline bool test_and_set_bit(long nr, volatile unsigned long *p)
{
	return __atomic_fetch_or(p + BIT_WORD(nr), BIT_MASK(nr), __ATOMIC_SEQ_CST) & BIT_MASK(nr);
}

static inline bool test_and_clear_bit(long nr, volatile unsigned long *p)
{
	env_race_point();
	return __atomic_fetch_and(p + BIT_WORD(nr), ~BIT_MASK(nr), __ATOMIC_SEQ_CST) & BIT_MASK(nr);
}

static inline void __set_bit(long nr, unsigned long *p)
{
	p[BIT_WORD(nr)] |= BIT_MASK(nr);
}

static inline void __clear_bit(long nr, unsigned long *p)
{
	p[BIT_WORD(nr)] &= ~BIT_MASK(nr);
}

/* @size if there is none. */
static inline unsigned long find_next_bit(const unsigned long *p, unsigned long size,
					  unsigned long nr)
{
	while (nr < size && !test_bit(nr, p))
		nr++;
	return nr;
}

static inline unsigned long __ffs(unsigned long w)
{
	return __builtin_ctzl(w);
}

static inline unsigned long __ffs64(u64 w)
{
	return __builtin_ctzll(w);
}

static inline unsigned long __fls(unsigned long w)
{
	return 63 - __builtin_clzl(w);
}

static inline int fls(unsigned int w)
{
	return w ? 32 - __builtin_clz(w) : 0;
}

static inline int fls64(u64 w)
{
	return w ? 64 - __builtin_clzll(w) : 0;
}

static inline unsigned int hweight64(u64 w)
{
	return __builtin_popcountll(w);
}

static inline bool is_power_of_2(unsigned long n)
{
	return n && !(n & (n - 1));
}

/* linux/spinlock.h.  Each thread knows what it holds: locks do not nest here. */
typedef struct {
	pthread_rwlock_t lock;
} rwlock_t;
extern __thread int env_readers;
extern __thread int env_writers;

static inline void rwlock_init(rwlock_t *l)
{
	pthread_rwlock_init(&l->lock, NULL);
}

static inline void env_lock_free(void)
{
	if (env_readers || env_writers)
		env_die("a lock is taken, or sleep is possible, with a lock held");
}

static inline void might_sleep(void)
{
	env_lock_free();
}

static inline void read_lock(rwlock_t *l)
{
	env_lock_free();
	pthread_rwlock_rdlock(&l->lock);
	env_readers++;
}

static inline void read_unlock(rwlock_t *l)
{
	if (env_readers-- != 1)
		env_die("read_unlock() without the lock");
	pthread_rwlock_unlock(&l->lock);
}

static inline bool read_trylock(rwlock_t *l)
{
	env_lock_free();
	if (pthread_rwlock_tryrdlock(&l->lock))
		return false;
	env_readers++;
	return true;
}

static inline void write_lock(rwlock_t *l)
{
	env_lock_free();
	pthread_rwlock_wrlock(&l->lock);
	env_writers++;
}

static inline void write_unlock(rwlock_t *l)
{
	if (env_writers-- != 1)
		env_die("write_unlock() without the lock");
	pthread_rwlock_unlock(&l->lock);
}

#define lockdep_is_held(l) (env_readers || env_writers)
#define lockdep_assert_held(l) \
	do { \
		if (!env_readers && !env_writers) \
			env_die("%s: lock not held", __func__); \
	} while (0)
#define lockdep_assert_held_read(l) lockdep_assert_held(l)
#define lockdep_assert_held_write(l) \
	do { \
		if (!env_writers) \
			env_die("%s: lock not held for write", __func__); \
	} while (0)

/* linux/sched.h */
#define cond_resched()		     might_sleep()
#define need_resched()		     false
#define rwlock_needbreak(l)	     false
#define cond_resched_rwlock_write(l) ((void)(l), 0)
#define cpu_relax()		     barrier()

/* linux/slab.h, linux/vmalloc.h: all of it through one function, see env_fail_at(). */
#define GFP_KERNEL	   0u
#define GFP_KERNEL_ACCOUNT 0u
#define GFP_ATOMIC	   1u
#define __GFP_ZERO	   0u
#define __GFP_NOWARN	   0u

void *env_alloc(size_t size, bool atomic);
void env_free(const void *p);

/* n = 1: the next allocation fails, 2: the one after it …; 0: none. */
void env_fail_at(unsigned long n);
/* How many were asked for since the last env_fail_at(), how many stand now, tables among them. */
unsigned long env_allocs(void);
long env_alive(void);

static inline void *kzalloc(size_t size, gfp_t gfp)
{
	return env_alloc(size, gfp & GFP_ATOMIC);
}

static inline void *kcalloc(size_t n, size_t size, gfp_t gfp)
{
	size_t bytes;

	return __builtin_mul_overflow(n, size, &bytes) ? NULL : kzalloc(bytes, gfp);
}

#define kmalloc(size, gfp)	     kzalloc(size, gfp)
#define kvmalloc(size, gfp)	     kzalloc(size, gfp)
#define kvzalloc(size, gfp)	     kzalloc(size, gfp)
#define kvcalloc(n, size, gfp)	     kcalloc(n, size, gfp)
#define kmalloc_array(n, size, gfp)  kcalloc(n, size, gfp)
#define kvmalloc_array(n, size, gfp) kcalloc(n, size, gfp)
#define vmalloc_user(size)	     kzalloc(size, GFP_KERNEL)
#define vzalloc(size)		     kzalloc(size, GFP_KERNEL)
#define kfree(p)		     env_free(p)
#define kvfree(p)		     env_free(p)
#define vfree(p)		     env_free(p)

/*
 * EPT tables live in an arena of their own.  A freed one is poisoned and not
 * given out again for a long while; asking for it ends the test.
 */
void *env_table_alloc(void);
/* One that holds rubbish. */
void *env_table_alloc_raw(void);
void env_table_free(void *table);
u64 env_table_pa(const void *table);
void *env_table_va(u64 pa);
bool env_table_is_live(const void *table);
bool env_table_attach(void *table, void *beside);
void *env_table_attached(const void *table);

static inline void *env_shared_alloc(size_t bytes)
{
	return env_alloc(bytes, false);
}

static inline void env_shared_free(void *memory)
{
	env_free(memory);
}

/* The fake host's, in fake_host.c. */
void env_page_dirty(u64 hfn);

/* From here on headers show what they keep for the kernel: mmu/host.h its struct host. */
#define __KERNEL__

#endif
