// SPDX-License-Identifier: GPL-2.0
/* A module that misbehaves on demand, to test that the test machine notices. */
#include <linux/module.h>
#include <linux/delay.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

static char *fault = "";
module_param(fault, charp, 0444);

static bool is(const char *what)
{
	return !strcmp(fault, what);
}

static void triple_fault(void)
{
	static const struct {
		u16 limit;
		u64 base;
	} __packed none;

	asm volatile("lidt %0; int3" : : "m" (none));
}

/* What only a kernel that looks for it sees: nothing else comes of these. */
static void beyond_the_end(void)
{
	volatile char *end = kmalloc(24, GFP_KERNEL);

	if (end)
		end[24] = 1;
	kfree((void *)end);
}

static void sleep_under_a_spinlock(void)
{
	static DEFINE_SPINLOCK(lock);
	static DEFINE_MUTEX(mutex);

	spin_lock(&lock);
	mutex_lock(&mutex);
	mutex_unlock(&mutex);
	spin_unlock(&lock);
}

static void two_locks_in_both_orders(void)
{
	static DEFINE_MUTEX(a);
	static DEFINE_MUTEX(b);

	mutex_lock(&a);
	mutex_lock(&b);
	mutex_unlock(&b);
	mutex_unlock(&a);
	mutex_lock(&b);
	mutex_lock(&a);
	mutex_unlock(&a);
	mutex_unlock(&b);
}

static void shift_too_far(void)
{
	volatile int by = 40, shifted = 1;

	shifted <<= by;
}

static void lose_memory(void)
{
	volatile char *lost = kmalloc(1000, GFP_KERNEL);

	if (lost)
		lost[0] = 1;
}

static int __init faulty_init(void)
{
	if (is("refuse"))
		return -ENODEV;
	WARN_ON(is("warn"));
	if (is("oops"))
		*(int *)8 = 0;
	if (is("panic"))
		panic("asked for");
	if (is("triple"))
		triple_fault();
	while (is("hang"))
		msleep(1000);
	if (is("beyond"))
		beyond_the_end();
	if (is("sleep"))
		sleep_under_a_spinlock();
	if (is("order"))
		two_locks_in_both_orders();
	if (is("shift"))
		shift_too_far();
	if (is("lose"))
		lose_memory();
	if (is("stay"))
		__module_get(THIS_MODULE);
	return 0;
}

static void __exit faulty_exit(void)
{
	if (!is("mute"))
		pr_info("vellum: unloaded, objects: vms=0 vcpus=%d pages=0\n", is("leak"));
}

module_init(faulty_init);
module_exit(faulty_exit);
MODULE_DESCRIPTION("A module that misbehaves on demand");
MODULE_LICENSE("GPL");
