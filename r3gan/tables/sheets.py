def write_sheet(path, grids):
    pass
