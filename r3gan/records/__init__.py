"""What runs wrote: their names (run_id.py), the shape of their records (schema.py), where they lie (store.py), and all
of them as one table (frame.py).
"""
