/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Everything that differs between the kernels we build for (6.1 to 6.12), and
 * nothing else.  Versions say little, since stable kernels backport: what is
 * there is found by compiling, and Kbuild has the probes (HAVE_...).
 */
#ifndef VELLUM_COMPAT_H
#define VELLUM_COMPAT_H

#ifndef __ASSEMBLY__

#include <linux/version.h>

#include <linux/eventfd.h>
#include <linux/list_lru.h>
#include <linux/mm.h> /* which 6.1's shrinker.h does not include */
#include <linux/shrinker.h>
#include <linux/slab.h>
#include <linux/syscore_ops.h>
#include <trace/events/ipi.h> /* smp_send_reschedule() has a tracepoint in it from 6.4 on */
#include <asm/desc.h>
#include <asm/reboot.h>
#include <asm/tlbflush.h>

/* VMXOFF, also where VMX may not be on: eats the fault.  CR4.VMXE is clear afterwards. */
static inline void compat_vmxoff(void)
{
	asm goto("1: vmxoff\n\t" _ASM_EXTABLE(1b, %l[off]) : : : "cc", "memory" : off);
off:
	cr4_clear_bits(X86_CR4_VMXE);
}

/* System core operations: from 6.12.y on they are an object with data of its own. */
#ifdef HAVE_STRUCT_SYSCORE
#define COMPAT_SYSCORE_ARG void *data
#define DEFINE_COMPAT_SYSCORE(name, suspend_fn, resume_fn) \
	static const struct syscore_ops name##_ops = { \
		.suspend = (suspend_fn), \
		.resume = (resume_fn), \
	}; \
	static struct syscore name = { .ops = &name##_ops }
#define compat_register_syscore(syscore)   register_syscore(syscore)
#define compat_unregister_syscore(syscore) unregister_syscore(syscore)
#else
#define COMPAT_SYSCORE_ARG void
#define DEFINE_COMPAT_SYSCORE(name, suspend_fn, resume_fn) \
	static struct syscore_ops name = { \
		.suspend = (suspend_fn), \
		.resume = (resume_fn), \
	}
#define compat_register_syscore(ops)   register_syscore_ops(ops)
#define compat_unregister_syscore(ops) unregister_syscore_ops(ops)
#endif

/*
 * Shrinkers: from 6.7 on the kernel allocates them.  A new one gets its functions,
 * is registered (0 or -errno), and freed in any case.
 */
#ifdef HAVE_SHRINKER_ALLOC
static inline struct shrinker *compat_shrinker_new(unsigned int flags, const char *name)
{
	return shrinker_alloc(flags, "%s", name);
}

static inline int compat_shrinker_register(struct shrinker *shrinker, const char *name)
{
	shrinker_register(shrinker);
	return 0;
}

static inline void compat_shrinker_free(struct shrinker *shrinker)
{
	shrinker_free(shrinker);
}
#else
static inline struct shrinker *compat_shrinker_new(unsigned int flags, const char *name)
{
	struct shrinker *shrinker = kzalloc(sizeof(*shrinker), GFP_KERNEL);

	if (shrinker)
		shrinker->flags = flags;
	return shrinker;
}

static inline int compat_shrinker_register(struct shrinker *shrinker, const char *name)
{
	return register_shrinker(shrinker, "%s", name);
}

static inline void compat_shrinker_free(struct shrinker *shrinker)
{
	if (shrinker)
		unregister_shrinker(shrinker); /* nothing, if it was not registered */
	kfree(shrinker);
}
#endif

/* What finds the object's node and memory cgroup itself has a name of its own from 6.8 on. */
#ifdef HAVE_LIST_LRU_ADD_OBJ
#define compat_list_lru_add(lru, item) list_lru_add_obj(lru, item)
#define compat_list_lru_del(lru, item) list_lru_del_obj(lru, item)
#else
#define compat_list_lru_add(lru, item) list_lru_add(lru, item)
#define compat_list_lru_del(lru, item) list_lru_del(lru, item)
#endif

/* The thread enters a guest: a quiescent state for RCU.  Interrupts off. */
#ifdef HAVE_RCU_NOTE_OF_THIS_CPU
#define compat_rcu_note_guest() rcu_virt_note_context_switch()
#else
#define compat_rcu_note_guest() rcu_virt_note_context_switch(smp_processor_id())
#endif

/* One more event; it was a number once. */
#ifdef HAVE_EVENTFD_SIGNAL_ONE
#define compat_eventfd_signal(ctx) eventfd_signal(ctx)
#else
#define compat_eventfd_signal(ctx) eventfd_signal(ctx, 1)
#endif

/* Userspace may set it at any time; later headers say so in its name. */
#ifdef HAVE_IMMEDIATE_EXIT_UNSAFE
#define compat_immediate_exit(run) READ_ONCE((run)->immediate_exit__unsafe)
#else
#define compat_immediate_exit(run) READ_ONCE((run)->immediate_exit)
#endif

#endif

#endif
