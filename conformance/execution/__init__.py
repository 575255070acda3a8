"""How do we ask?  In batches, behind a transport check, in a process of the framework's own."""
