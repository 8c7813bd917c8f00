/* SPDX-License-Identifier: GPL-2.0 */
/* A thread that runs one vCPU, and can be paused between two instructions. */
#ifndef TOOLS_WORKER_H
#define TOOLS_WORKER_H

#include <pthread.h>

#include "lib/kvm.h"

#define EXIT_REASONS 64

struct worker {
	struct vcpu *vcpu;
	unsigned int index;
	/* Called for each exit that is not ours; not 0 ends the thread with that result. */
	int (*on_exit)(struct worker *worker, struct kvm_run *run);
	void *data; /* for on_exit */

	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	/* Under lock: */
	bool pause, parked, quit, finished;
	bool waits_for_room; /* its ring is full */
	int result;	     /* when finished: on_exit's, or a negative errno */
	/* Written by the thread only: */
	uint64_t returns[EXIT_REASONS]; /* of KVM_RUN, by exit reason */
	uint64_t interrupted;		/* KVM_RUN ended by a signal */
};

int worker_start(struct worker *worker);
/* Returns when the guest stands still and no exit waits to be completed. */
void worker_pause(struct worker *worker);
void worker_resume(struct worker *worker);
/* The ring was harvested and reset: go on if it had been full. */
void worker_ring_has_room(struct worker *worker);
/* Waits until on_exit has ended the thread. */
int worker_join(struct worker *worker);
/* Ends the thread wherever its guest is. */
void worker_stop(struct worker *worker);
bool worker_finished(struct worker *worker);

#endif
